//! Commands to the instance that runs: they come by the control socket or by SIGHUP, and whoever runs it answers them.

use std::path::Path;
use std::sync::Arc;

use admin::control::{Control, Outcome, Server};
use async_trait::async_trait;
use tokio::signal::unix::{SignalKind, signal as on_signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::exit::{Failure, FailureKind};

/// What whoever runs the instance is asked for. A request without an answer reads as an instance that is stopping.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    /// Take over the file as it is now.
    Reload {
        /// A person has confirmed what is refused otherwise.
        confirm: bool,
        /// What came of it.
        answer: oneshot::Sender<Outcome>,
    },
    /// Give up what waits for a sink.
    Skip {
        /// The sink's name, which may have left the file.
        sink: String,
        /// The reason, to be recorded.
        why: String,
        /// What came of it.
        answer: oneshot::Sender<Outcome>,
    },
}

/// The way to whoever runs the instance.
#[derive(Clone, Debug)]
pub(crate) struct Controls(mpsc::Sender<ControlRequest>);

/// A way for commands, and its end. They are answered one after the other; few wait, for each has a caller.
pub(crate) fn controls() -> (Controls, mpsc::Receiver<ControlRequest>) {
    let (sender, requests) = mpsc::channel(WAITING);
    (Controls(sender), requests)
}

impl Controls {
    /// From now on, SIGHUP asks for a reload.
    pub(crate) fn reload_on_hangup(self) -> Result<(), Failure> {
        let failed = |error| Failure::because(FailureKind::Failed, "failed to listen for signals", &error);
        let mut hangup = on_signal(SignalKind::hangup()).map_err(failed)?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let Outcome { code, lines } = self.reload(false).await;
                for line in lines {
                    match code {
                        0 => tracing::info!("reload: {line}"),
                        _ => tracing::error!("reload: {line}"),
                    }
                }
            }
        });
        Ok(())
    }

    async fn ask(&self, request: impl FnOnce(oneshot::Sender<Outcome>) -> ControlRequest) -> Outcome {
        let (answer, answered) = oneshot::channel();
        // Where nobody takes the request, it is dropped, and the answer with it.
        let _ = self.0.send(request(answer)).await;
        answered.await.unwrap_or_else(|_| {
            outcome(Err(Failure::new(FailureKind::Failed, "the instance is stopping, and takes no command any more")))
        })
    }
}

#[async_trait]
impl Control for Controls {
    async fn reload(&self, confirm: bool) -> Outcome {
        self.ask(|answer| ControlRequest::Reload { confirm, answer }).await
    }

    async fn skip(&self, sink: &str, why: &str) -> Outcome {
        let (sink, why) = (sink.to_owned(), why.to_owned());
        self.ask(|answer| ControlRequest::Skip { sink, why, answer }).await
    }
}

/// The control socket of the instance that runs.
#[derive(Debug)]
pub(crate) struct ControlSocket(Option<JoinHandle<()>>);

impl ControlSocket {
    /// Makes the socket in the state folder, which the journal holds for this process. Forwarding is worth more than
    /// commands: where the socket cannot be made, on a file system that knows none, this is told and nothing else.
    pub(crate) fn open(folder: &Path, controls: Controls) -> Self {
        let server = match Server::bind(folder) {
            Ok(server) => server,
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%error, %folder, "the control socket cannot be made, so no command reaches this instance");
                return Self(None);
            }
        };
        let serving = server.serve(Arc::new(controls));
        Self(Some(tokio::spawn(async { match serving.await {} })))
    }

    /// Removes the socket: to be awaited before the journal is closed, after which another process may make its own.
    pub(crate) async fn close(mut self) {
        if let Some(serving) = self.0.take() {
            serving.abort();
            // It ends by being aborted, and that is no error.
            let _ = serving.await;
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Some(serving) = &self.0 {
            serving.abort();
        }
    }
}

/// What the operator reads of a command that has done something, or failed.
pub(crate) fn outcome(done: Result<Vec<String>, Failure>) -> Outcome {
    match done {
        Ok(lines) => Outcome { code: 0, lines },
        Err(failure) => {
            Outcome { code: failure.kind() as u8, lines: failure.to_string().lines().map(str::to_owned).collect() }
        }
    }
}

/// The other way around, at the caller's end.
pub(crate) fn done(outcome: Outcome) -> Result<Vec<String>, Failure> {
    match outcome.code {
        0 => Ok(outcome.lines),
        code => Err(Failure::new(FailureKind::of_code(code), outcome.lines.join("\n"))),
    }
}

/// Requests that wait for their turn; more callers than that wait in the socket.
const WAITING: usize = 4;

#[cfg(test)]
mod tests {
    use admin::control::{Client, ClientError};

    use super::*;

    /// Guarantee: a command that is given to the socket is asked of whoever runs the instance, with its arguments, and
    /// answered with the outcome and the exit code; once the socket is closed, nobody listens.
    #[tokio::test]
    async fn commands_reach_the_instance() {
        let folder = tempfile::tempdir().unwrap();
        let (controls, mut requests) = controls();
        let socket = ControlSocket::open(folder.path(), controls);
        let instance = tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                match request {
                    ControlRequest::Reload { confirm, answer } => {
                        assert!(confirm);
                        answer.send(outcome(Ok(vec!["tenant contoso: added".to_owned()]))).unwrap();
                    }
                    ControlRequest::Skip { sink, why, answer } => {
                        let failure = Failure::new(FailureKind::State, format!("{sink} and {why}\nhint: wait"));
                        answer.send(outcome(Err(failure))).unwrap();
                    }
                }
            }
        });
        let client = Client::connect(folder.path()).await.unwrap();
        assert_eq!(done(client.reload(true).await.unwrap()).unwrap(), ["tenant contoso: added"]);
        let client = Client::connect(folder.path()).await.unwrap();
        let failure = done(client.skip("siem", "moved").await.unwrap()).unwrap_err();
        assert_eq!((failure.kind(), failure.to_string().as_str()), (FailureKind::State, "siem and moved\nhint: wait"));

        socket.close().await;
        assert!(matches!(Client::connect(folder.path()).await, Err(ClientError::NobodyListens)));
        instance.await.unwrap();
    }

    /// Guarantee: a command to an instance that stops before it has answered is told so, whether or not it was taken.
    #[tokio::test]
    async fn a_stopping_instance_says_so() {
        let (controls, mut requests) = controls();
        let caller = controls.clone();
        let asking = tokio::spawn(async move { caller.reload(false).await });
        drop(requests.recv().await.unwrap());
        let taken = asking.await.unwrap();
        drop(requests);
        for outcome in [taken, controls.skip("siem", "test").await] {
            assert_eq!((outcome.code, outcome.lines[0].contains("is stopping")), (1, true), "{outcome:?}");
        }
    }

    /// Guarantee: SIGHUP does not end the process, and asks for a reload that nobody has confirmed.
    #[tokio::test]
    async fn a_hangup_asks_for_a_reload() {
        let (controls, mut requests) = controls();
        controls.reload_on_hangup().unwrap();
        let sent = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
        assert!(sent.unwrap().success());
        let request = requests.recv().await.unwrap();
        assert!(matches!(request, ControlRequest::Reload { confirm: false, .. }), "{request:?}");
    }
}
