//! A command's end of the control socket.

use std::fmt;
use std::io;
use std::path::Path;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::command::{Command, Reload, Skip};
use super::{Outcome, socket};

/// A connection to a running instance, good for one command.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
}

/// Why an instance was not asked, or did not answer.
#[derive(Debug)]
pub enum ClientError {
    /// No instance runs on this folder.
    NobodyListens,
    /// The socket cannot be reached: it is another user's, most likely.
    Unreachable(io::Error),
    /// The connection was lost before the answer was there: the command may have been carried out, and the audit log says
    /// whether it was.
    Lost(Box<dyn std::error::Error + Send + Sync>),
    /// The instance does not know the command, or not in this form: it is of another version.
    NotUnderstood(String),
}

impl Client {
    /// Connects to the instance whose state folder this is.
    ///
    /// # Errors
    /// [`ClientError::NobodyListens`] where no instance runs, else [`ClientError::Unreachable`].
    pub async fn connect(folder: &Path) -> Result<Self, ClientError> {
        match socket::connect(folder).await {
            Ok(socket) => Ok(Self { socket }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Err(ClientError::NobodyListens)
            }
            Err(error) => Err(ClientError::Unreachable(error)),
        }
    }

    /// See [`super::Control::reload`]. Waits for the outcome.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(self, confirm: bool) -> Result<Outcome, ClientError> {
        self.give(&Reload { confirm }).await
    }

    /// See [`super::Control::skip`]. Waits for the outcome.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn skip(self, sink: &str, why: &str) -> Result<Outcome, ClientError> {
        self.give(&Skip { sink: sink.to_owned(), why: why.to_owned() }).await
    }

    async fn give<C: Command>(self, command: &C) -> Result<Outcome, ClientError> {
        let body = serde_json::to_vec(command).expect("a command is plain data");
        let request = Request::post(C::path())
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("the parts are constants");
        let (status, answer) = self.ask(request).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&answer).map_err(|error| ClientError::Lost(error.into()));
        }
        Err(ClientError::NotUnderstood(String::from_utf8_lossy(&answer).into_owned()))
    }

    async fn ask(self, request: Request<Body>) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let lost = |error: hyper::Error| ClientError::Lost(error.into());
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.socket)).await.map_err(lost)?;
        let answered = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes().into()))
        };
        tokio::select! {
            answer = answered => answer.map_err(lost),
            Err(error) = connection => Err(lost(error)),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyListens => f.write_str("no instance runs"),
            Self::Unreachable(_) => f.write_str("failed to reach the running instance"),
            Self::Lost(_) => f.write_str("the running instance ended before it answered"),
            Self::NotUnderstood(answer) => write!(f, "the running instance does not understand the command: {answer}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error),
            Self::Lost(error) => Some(&**error),
            Self::NobodyListens | Self::NotUnderstood(_) => None,
        }
    }
}
