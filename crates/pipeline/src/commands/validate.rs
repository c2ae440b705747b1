//! `validate`: the file, and what it refers to.

use std::fs::File;
use std::path::Path;

use pipeline_file::plan::{DestinationPlan, Plan, SinkPlan};

use crate::cli::ValidateArgs;
use crate::exit::{Failure, FailureKind};

pub(crate) fn validate(file: &Path, plan: &Plan, args: &ValidateArgs) -> Result<(), Failure> {
    let missing = if args.offline { Vec::new() } else { missing(plan) };
    if !missing.is_empty() {
        let message = format!("{}: what it refers to cannot be read\n{}", file.display(), missing.join("\n"));
        return Err(Failure::new(FailureKind::FileWrong, message));
    }
    let enabled: Vec<_> = plan.tenants.iter().filter(|tenant| tenant.enabled).collect();
    let feeds: usize = enabled.iter().map(|tenant| tenant.sources.len()).sum();
    eprintln!(
        "{}: valid; tenants: {}, feeds: {feeds}, sinks: {}, journal: {}",
        file.display(),
        enabled.len(),
        plan.sinks.len(),
        plan.journal.path.display()
    );
    Ok(())
}

/// What the file refers to and this machine does not have, a sentence each.
fn missing(plan: &Plan) -> Vec<String> {
    let mut missing = Vec::new();
    for tenant in plan.tenants.iter().filter(|tenant| tenant.enabled) {
        if let Err(error) = tenant.client_secret.read() {
            missing.push(format!("  tenants.{}: the client secret: {error}", tenant.name));
        }
        if let Some(Err(error)) = tenant.ca.as_ref().map(File::open) {
            missing.push(format!("  tenants.{}: endpoints.ca: {error}", tenant.name));
        }
    }
    for sink in &plan.sinks {
        if let DestinationPlan::SplunkHec(hec) = &sink.destination
            && let Err(error) = hec.token.read()
        {
            missing.push(format!("  sinks.{}: splunk_hec.token: {error}", sink.name));
        }
        for (key, file) in tls_files(sink) {
            if let Err(error) = File::open(file) {
                missing.push(format!("  sinks.{}: {key}: {error}", sink.name));
            }
        }
    }
    missing
}

/// The files of certificates and keys that a sink reads, each with its key in the file.
fn tls_files(sink: &SinkPlan) -> Vec<(&'static str, &Path)> {
    let (keys, ca, identity) = match &sink.destination {
        DestinationPlan::File(_) | DestinationPlan::StandardOutput => return Vec::new(),
        DestinationPlan::SplunkHec(hec) => {
            (["splunk_hec.tls.ca", "splunk_hec.tls.cert", "splunk_hec.tls.key"], &hec.ca, &hec.identity)
        }
        DestinationPlan::Syslog(syslog) => {
            (["syslog.tls.ca", "syslog.tls.cert", "syslog.tls.key"], &syslog.tls.ca, &syslog.tls.identity)
        }
    };
    let [ca_key, cert_key, key_key] = keys;
    let ca = ca.iter().map(|ca| (ca_key, ca.as_path()));
    ca.chain(identity.iter().flat_map(|(cert, key)| [(cert_key, cert.as_path()), (key_key, key.as_path())])).collect()
}

#[cfg(test)]
mod tests {
    use pipeline_file::Environment;

    use super::*;

    /// Guarantee: every file of a certificate or a key that cannot be read is named by its sink and key, and one that
    /// can be read is not.
    #[test]
    fn files_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        std::fs::write(folder.path().join("secret"), "x").expect("the folder is writable");
        std::fs::write(folder.path().join("cert.pem"), "x").expect("the folder is writable");
        let yaml = "tenants:\n  contoso:\n    tenant_id: 11111111-2222-3333-4444-555555555555\n    \
                    client_id: 66666666-7777-8888-9999-000000000000\n    client_secret: { file: secret }\n    \
                    endpoints: { ca: here.pem }\n\
                    sources: { alerts: { mde_alerts: {} } }\n\
                    sinks:\n  siem: { for: generic, syslog: { address: 'tls://siem', \
                    tls: { ca: ca.pem, cert: cert.pem, key: key.pem } } }\n  \
                    off: { enabled: false, for: generic, syslog: { address: 'tls://siem', tls: { ca: off.pem } } }\n";
        let environment = Environment { folder: folder.path().to_owned(), state_directory: None };
        let plan = pipeline_file::check(yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong");
        const GONE: &str = "No such file or directory (os error 2)";
        let expected = ["tenants.contoso: endpoints.ca", "sinks.siem: syslog.tls.ca", "sinks.siem: syslog.tls.key"];
        assert_eq!(missing(&plan), expected.map(|place| format!("  {place}: {GONE}")));
    }
}
