//! A signal that is raised once and seen by all who watch: stopping is a value that a task is handed.

use tokio::sync::watch;

/// Raises a signal.
#[derive(Clone, Debug)]
pub(crate) struct Raise(watch::Sender<bool>);

/// Sees a signal.
#[derive(Clone, Debug)]
pub(crate) struct Signal(watch::Receiver<bool>);

/// A signal that is not raised yet.
pub(crate) fn signal() -> (Raise, Signal) {
    let (sender, receiver) = watch::channel(false);
    (Raise(sender), Signal(receiver))
}

impl Raise {
    pub(crate) fn raise(&self) {
        self.0.send_replace(true);
    }
}

impl Signal {
    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is raised; for ever where whoever could raise it is gone without having done so.
    pub(crate) async fn raised(&mut self) {
        if self.0.wait_for(|raised| *raised).await.is_err() {
            std::future::pending().await
        }
    }
}
