//! The commands, as they go over the socket: one type each.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Control, Outcome};

/// A command: its path is its name, its body itself as JSON, its answer an [`Outcome`].
pub(super) trait Command: Debug + DeserializeOwned + Serialize + Send + Sync + 'static {
    const NAME: &'static str;

    /// Has an instance carry it out.
    fn carry_out(&self, control: &dyn Control) -> impl Future<Output = Outcome> + Send;

    /// Where it is sent.
    fn path() -> String {
        format!("/{VERSION}/{}", Self::NAME)
    }
}

/// `reload`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reload {
    pub(super) confirm: bool,
}

impl Command for Reload {
    const NAME: &'static str = "reload";

    async fn carry_out(&self, control: &dyn Control) -> Outcome {
        control.reload(self.confirm).await
    }
}

/// `lanes skip`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    pub(super) sink: String,
    pub(super) why: String,
}

impl Command for Skip {
    const NAME: &'static str = "skip";

    async fn carry_out(&self, control: &dyn Control) -> Outcome {
        control.skip(&self.sink, &self.why).await
    }
}

/// Another version of a command that means something else gets another path.
const VERSION: &str = "v1";
