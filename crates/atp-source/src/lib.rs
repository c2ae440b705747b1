#![doc = include_str!("../README.md")]

mod application;
mod classify;
mod client_credentials;
mod feed;
mod http;
mod key;
mod page;
mod planner;
mod query;
mod ticks;
mod token_answer;
mod walk;

pub use crate::application::{AppOptions, Application, Secret, TokenEndpoint};
pub use crate::client_credentials::{AccessToken, ClientCredentials};
pub use crate::feed::{Api, Feed, FeedOptions, FeedStatus, Mode, Owed, Page, Row, Step};
pub use crate::http::{HttpClient, HttpOptions};
pub use crate::page::rows;
pub use crate::planner::{Planner, Quota};
