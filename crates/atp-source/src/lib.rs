#![doc = include_str!("../README.md")]

mod application;
mod feed;
mod http;
mod planner;

pub use crate::application::{AppOptions, Application, Secret, TokenEndpoint};
pub use crate::feed::{Api, Feed, FeedOptions, FeedStatus, Mode, Owed, Page, Row, Step};
pub use crate::http::{HttpClient, HttpOptions};
pub use crate::planner::{Planner, Quota};
