//! `validate`: the file, and what it refers to.

use std::fs::File;
use std::path::Path;

use pipeline_file::SecretSource;
use pipeline_file::plan::{DestinationPlan, KafkaSaslPlan, Plan, SinkPlan};

use crate::cli::ValidateArgs;
use crate::exit::{Failure, FailureKind};
use crate::registry;

pub(crate) fn validate(file: &Path, plan: &Plan, args: &ValidateArgs) -> Result<(), Failure> {
    let not_taken = not_taken(plan);
    if !not_taken.is_empty() {
        let message = format!("{}: what librdkafka does not take\n{}", file.display(), not_taken.join("\n"));
        return Err(Failure::new(FailureKind::FileWrong, message));
    }
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
        for (key, secret) in secrets(sink) {
            if let Err(error) = secret.read() {
                missing.push(format!("  sinks.{}: {key}: {error}", sink.name));
            }
        }
        for (key, file) in files(sink) {
            if let Err(error) = File::open(file) {
                missing.push(format!("  sinks.{}: {key}: {error}", sink.name));
            }
        }
    }
    missing
}

/// The settings of Kafka sinks that librdkafka does not take, a sentence each. It alone knows.
fn not_taken(plan: &Plan) -> Vec<String> {
    let sentence = |sink: &SinkPlan| match &sink.destination {
        DestinationPlan::Kafka(kafka) => registry::kafka::check(kafka).err().map(|fault| {
            let advice = fault.advice().map_or_else(String::new, |advice| format!(". {advice}"));
            format!("  sinks.{}: kafka.options: {fault:#}{advice}", sink.name)
        }),
        _ => None,
    };
    plan.sinks.iter().filter_map(sentence).collect()
}

/// The secrets that a sink needs, each with its key in the file.
fn secrets(sink: &SinkPlan) -> Vec<(&'static str, &SecretSource)> {
    match &sink.destination {
        DestinationPlan::File(_) | DestinationPlan::StandardOutput | DestinationPlan::Syslog(_) => Vec::new(),
        DestinationPlan::Kafka(kafka) => match &kafka.sasl {
            None => Vec::new(),
            Some(KafkaSaslPlan::OauthBearer(oauth)) => {
                vec![("kafka.sasl.oauth_bearer.client_secret", &oauth.client_secret)]
            }
            Some(KafkaSaslPlan::Plain(login)) => vec![("kafka.sasl.plain.password", &login.password)],
            Some(KafkaSaslPlan::ScramSha256(login)) => vec![("kafka.sasl.scram_sha_256.password", &login.password)],
            Some(KafkaSaslPlan::ScramSha512(login)) => vec![("kafka.sasl.scram_sha_512.password", &login.password)],
        },
        DestinationPlan::SplunkHec(hec) => vec![("splunk_hec.token", &hec.token)],
    }
}

/// The files of certificates and keys that a sink reads, each with its key in the file.
fn files(sink: &SinkPlan) -> Vec<(&'static str, &Path)> {
    let oauth_ca = match &sink.destination {
        DestinationPlan::Kafka(kafka) => match &kafka.sasl {
            Some(KafkaSaslPlan::OauthBearer(oauth)) => oauth.ca.as_deref(),
            _ => None,
        },
        _ => None,
    };
    let oauth_ca = oauth_ca.map(|ca| ("kafka.sasl.oauth_bearer.ca", ca));
    tls_files(sink).into_iter().chain(oauth_ca).collect()
}

/// The files that make a sink's TLS, each with its key in the file.
fn tls_files(sink: &SinkPlan) -> Vec<(&'static str, &Path)> {
    let (keys, ca, identity) = match &sink.destination {
        DestinationPlan::File(_) | DestinationPlan::StandardOutput => return Vec::new(),
        DestinationPlan::Kafka(kafka) => match &kafka.tls {
            Some(tls) => (["kafka.tls.ca", "kafka.tls.cert", "kafka.tls.key"], &tls.ca, &tls.identity),
            None => return Vec::new(),
        },
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
                    off: { enabled: false, for: generic, syslog: { address: 'tls://siem', tls: { ca: off.pem } } }\n  \
                    lake: { format: json, kafka: { brokers: kafka, topic: a, tls: { ca: cert.pem, cert: x, key: y }, sasl: { \
                    oauth_bearer: { token_url: 'https://a', client_id: a, client_secret: { file: none }, ca: z } } } }\n";
        let environment = Environment { folder: folder.path().to_owned(), state_directory: None };
        let plan = pipeline_file::check(yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong");
        const GONE: &str = "No such file or directory (os error 2)";
        let none = format!("failed to read file {}", folder.path().join("none").display());
        let expected = [
            ("tenants.contoso: endpoints.ca", GONE),
            ("sinks.lake: kafka.sasl.oauth_bearer.client_secret", &none),
            ("sinks.lake: kafka.tls.cert", GONE),
            ("sinks.lake: kafka.tls.key", GONE),
            ("sinks.lake: kafka.sasl.oauth_bearer.ca", GONE),
            ("sinks.siem: syslog.tls.ca", GONE),
            ("sinks.siem: syslog.tls.key", GONE),
        ];
        assert_eq!(missing(&plan), expected.map(|(place, why)| format!("  {place}: {why}")));
    }

    fn kafka(keys: &str) -> Plan {
        let yaml = format!(
            "tenants: {{ contoso: {{ tenant_id: 11111111-2222-3333-4444-555555555555, \
             client_id: 66666666-7777-8888-9999-000000000000, client_secret: {{ env: NONE }} }} }}\n\
             sources: {{ alerts: {{ mde_alerts: {{}} }} }}\n\
             sinks: {{ lake: {{ format: json, kafka: {{ brokers: kafka, topic: a, {keys} }} }} }}\n"
        );
        let environment = Environment { folder: "/".into(), state_directory: None };
        pipeline_file::check(&yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong")
    }

    /// Guarantee: a setting that librdkafka does not know or take is named without its value, before anything is sent;
    /// neither broker nor secret is needed to find it.
    #[test]
    fn settings_that_librdkafka_does_not_take_are_named() {
        let sasl = "sasl: { plain: { user: a, password: { env: NONE } } }, tls: {}";
        assert_eq!(not_taken(&kafka(&format!("options: {{ linger.ms: 100 }}, {sasl}"))), [""; 0]);
        for setting in ["linger.mss: 5", "linger.ms: CANARY"] {
            let told = not_taken(&kafka(&format!("options: {{ {setting} }}, {sasl}")));
            assert!(told[0].starts_with("  sinks.lake: kafka.options: failed to set `linger.ms"), "{told:?}");
            assert!(told.len() == 1 && !told[0].contains("CANARY"), "{told:?}");
        }
    }
}
