//! The instance's end of the control socket.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

use super::audit::AuditLog;
use super::command::{Command, Reload, Skip};
use super::{Control, Outcome, socket};
use crate::connection::{self, Limits, Listener};

/// The control socket, bound. It is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    audit: AuditLog,
}

impl Server {
    /// Makes the socket in the state folder, in the place of one that a dead process has left there. The caller holds the
    /// folder: no other process serves a socket in it until this is dropped. Nobody is answered yet.
    ///
    /// # Errors
    /// The operating system's: the folder is missing or cannot be written.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let listener = socket::bind(folder)?;
        Ok(Self { listener, path: socket::path(folder), audit: AuditLog::of(folder) })
    }

    /// Answers until it is dropped, and with it every connection. A command that is being carried out goes on even so.
    pub async fn serve(self, control: Arc<dyn Control>) -> Infallible {
        let socket = Socket { control, server: self };
        connection::serve(&socket, LIMITS).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the control socket cannot be removed");
        }
    }
}

struct Socket {
    control: Arc<dyn Control>,
    server: Server,
}

impl Listener for Socket {
    type Socket = UnixStream;

    const NAME: &'static str = "the control socket";

    async fn accept(&self) -> io::Result<(UnixStream, Router)> {
        let (socket, _) = self.server.listener.accept().await?;
        let desk =
            Desk { control: Arc::clone(&self.control), audit: self.server.audit.clone(), peer: socket.peer_cred()? };
        Ok((socket, desk.router()))
    }
}

/// Who asks on a connection, and who carries out what is asked.
#[derive(Clone)]
struct Desk {
    control: Arc<dyn Control>,
    audit: AuditLog,
    peer: UCred,
}

impl Desk {
    fn router(self) -> Router {
        Router::new()
            .route(&Reload::path(), post(command::<Reload>))
            .route(&Skip::path(), post(command::<Skip>))
            .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "commands are given by POST"))
            .fallback(async || (StatusCode::NOT_FOUND, "there is no such command"))
            .layer(DefaultBodyLimit::max(COMMAND_BYTES))
            .with_state(self)
    }

    async fn carry_out<C: Command>(self, command: C) -> Outcome {
        let command = Arc::new(command);
        let (control, order) = (self.control, Arc::clone(&command));
        let carrying_out = tokio::spawn(async move { order.carry_out(&*control).await });
        let mut outcome = carrying_out.await.unwrap_or_else(|error| {
            tracing::error!(%error, command = C::NAME, "a command ended by itself");
            Outcome { code: 1, lines: vec!["the command failed inside the instance; its log says more".to_owned()] }
        });
        if let Err(error) = self.audit.note(self.peer, &*command, &outcome).await {
            tracing::error!(%error, command = C::NAME, "the audit log cannot be written");
            outcome.lines.push(format!("warning: the audit log of the instance cannot be written: {error}"));
        }
        outcome
    }
}

/// Whoever asked may go away meanwhile: the command is carried out and noted all the same.
async fn command<C: Command>(State(desk): State<Desk>, Json(command): Json<C>) -> Result<Json<Outcome>, StatusCode> {
    let carrying_out = tokio::spawn(desk.carry_out(command));
    carrying_out.await.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// A reload waits until sinks that change are flushed, so its answer may take a while.
const LIMITS: Limits = Limits { connections: 8, head: Duration::from_secs(5), whole: Duration::from_secs(600) };
const COMMAND_BYTES: usize = 16 << 10;
