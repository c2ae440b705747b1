//! `reload`: has the running instance take over the file. A file that is wrong is told before it is asked.

use pipeline_file::plan::Plan;

use super::instance;
use crate::cli::ReloadArgs;
use crate::exit::Failure;

pub(crate) async fn reload(plan: &Plan, args: &ReloadArgs) -> Result<(), Failure> {
    let client = instance::connect(plan).await?.ok_or_else(|| instance::none_runs(plan))?;
    instance::told(plan, client.reload(args.confirm).await)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::control::{ControlRequest, ControlSocket, controls, outcome};
    use crate::exit::FailureKind;

    const FILE: &str = "\
tenants:
  contoso:
    tenant_id: 11111111-2222-3333-4444-555555555555
    client_id: 66666666-7777-8888-9999-000000000000
    client_secret: { file: ./contoso.secret }
sources:
  alerts: { mde_alerts: {} }
sinks:
  siem: { for: arcsight, syslog: { address: \"udp://127.0.0.1:514\" } }
";

    /// Guarantee: without an instance the sentence names the folder that was looked in; with one, the exit code and the
    /// lines are those of the instance.
    #[tokio::test]
    async fn the_running_instance_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        fs::write(&file, FILE).unwrap();
        let mut plan = pipeline_file::load(&file).unwrap();
        plan.journal.path = folder.path().join("data");
        fs::create_dir(&plan.journal.path).unwrap();
        let nobody = reload(&plan, &ReloadArgs { confirm: false }).await.unwrap_err();
        let sentence = format!("no instance runs with the disk buffer in {}\nhint: ", plan.journal.path.display());
        assert!(nobody.kind() == FailureKind::Failed && nobody.to_string().starts_with(&sentence), "{nobody}");

        let (controls, mut requests) = controls();
        let socket = ControlSocket::open(&plan.journal.path, controls);
        tokio::spawn(async move {
            while let Some(ControlRequest::Reload { confirm, answer }) = requests.recv().await {
                let refused = Failure::new(FailureKind::FileWrong, "refused");
                answer.send(outcome(if confirm { Ok(Vec::new()) } else { Err(refused) })).unwrap();
            }
        });
        reload(&plan, &ReloadArgs { confirm: true }).await.unwrap();
        let refused = reload(&plan, &ReloadArgs { confirm: false }).await.unwrap_err();
        assert_eq!((refused.kind(), refused.to_string().as_str()), (FailureKind::FileWrong, "refused"));
        socket.close().await;
    }
}
