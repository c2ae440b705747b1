//! `preview`: alerts as they go on the wire, without a wire.

mod input;
mod live;
mod terminal;

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use journal::{Entry, FeedInfo, FeedName, Key, Place};
use pipeline_file::plan::{DestinationPlan, OnlyPlan, Plan, SinkPlan, TenantPlan};
use pipeline_file::{Environment, FileFault};
use sink::Record;
use sink_splunk_hec::HecOptions;
use sink_syslog::{MessageOptions, Transport};
use tokio::sync::watch;
use transform::View;

use self::input::Alert;
use crate::cli::PreviewArgs;
use crate::exit::{Failure, FailureKind};
use crate::lane::Rendering;
use crate::registry;
use crate::tenants::Tenants;

pub(crate) async fn preview(args: &PreviewArgs, file: impl Fn() -> Result<Plan, Failure>) -> Result<(), Failure> {
    let written = if args.live || args.sink.is_some() { Some(file()?) } else { None };
    let plan = match &written {
        Some(written) if args.sink.is_some() => written.clone(),
        Some(written) => plan_of(args, Some(any_tenant(written, args.tenant.as_deref())?))?,
        None => plan_of(args, None)?,
    };
    let sink = sink(&plan, args.sink.as_deref().unwrap_or(SINK))?;
    let tenant = tenant(&plan, sink, args.tenant.as_deref())?;
    let alerts = match &written {
        Some(written) if args.live => live::read(written, any_tenant(written, Some(&tenant.name))?, args.count).await?,
        _ => input::read(args.file.as_deref())?,
    };
    match print(&mut Wire::new(&plan, sink, tenant), &alerts) {
        // Whoever read it has had enough: `preview | head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because(FailureKind::Failed, "failed to print the preview", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The tenant of the file that was named, or its first that is read.
fn any_tenant<'a>(plan: &'a Plan, name: Option<&str>) -> Result<&'a TenantPlan, Failure> {
    let named = |tenant: &&TenantPlan| name.map_or(tenant.enabled, |name| tenant.name == name);
    plan.tenants.iter().find(named).ok_or_else(|| {
        let message = name.map(|name| format!("no tenant `{name}` is in the file"));
        Failure::new(FailureKind::Failed, message.unwrap_or_else(|| "no tenant of the file is enabled".to_owned()))
    })
}

/// A pipeline file of one sink, made of the command line and checked like any other. Its tenant is one of the real file,
/// or one that does not exist.
fn plan_of(args: &PreviewArgs, real: Option<&TenantPlan>) -> Result<Plan, Failure> {
    let name = real.map_or(args.tenant.as_deref().unwrap_or("contoso"), |tenant| &tenant.name);
    let tenant = serde_json::Value::from(name);
    let tenant_id = real.map_or("11111111-2222-3333-4444-555555555555", |tenant| &tenant.tenant_id);
    let key = |key: &str, value: Option<&String>| value.map_or_else(String::new, |value| format!("{key}: {value}, "));
    let profile = args.profile.as_deref().unwrap_or("generic");
    let format = key("format", args.format.as_ref()) + &key("per", args.per.as_ref());
    let message = key("header", args.header.as_ref()) + &key("framing", args.framing.as_ref());
    let yaml = format!(
        "tenants:\n  {tenant}:\n    tenant_id: {tenant_id}\n    \
         client_id: 66666666-7777-8888-9999-000000000000\n    client_secret: {{ env: NONE }}\n\
         sources: {{ alerts: {{ mde_alerts: {{}} }} }}\n\
         sinks: {{ {SINK}: {{ for: {profile}, {format}syslog: {{ {message}address: \"tcp://127.0.0.1\" }} }} }}\n"
    );
    let environment = Environment { folder: "/".into(), state_directory: None };
    pipeline_file::check(&yaml, Path::new(SINK), &environment).map_err(|faults| {
        let path = |path: &str| path.trim_start_matches("sinks.preview.").to_owned();
        let sentence = |fault: &FileFault| format!("{}: {}", path(&fault.path), fault.message);
        let sentences: Vec<String> = faults.iter().map(sentence).collect();
        Failure::new(FailureKind::Failed, sentences.join("\n"))
    })
}

fn sink<'a>(plan: &'a Plan, name: &str) -> Result<&'a SinkPlan, Failure> {
    plan.sinks.iter().find(|sink| sink.name == name).ok_or_else(|| {
        let sinks: Vec<&str> = plan.sinks.iter().map(|sink| sink.name.as_str()).collect();
        let message = format!("no sink `{name}` is enabled in the file; there is {}", sinks.join(", "));
        Failure::new(FailureKind::Failed, message)
    })
}

/// The tenant that was named, or the first whose alerts the sink gets.
fn tenant<'a>(plan: &'a Plan, sink: &SinkPlan, name: Option<&str>) -> Result<&'a TenantPlan, Failure> {
    let failed = |message: String| Failure::new(FailureKind::Failed, message);
    let takes = |tenant: &&TenantPlan| sink.only.takes_tenant(&tenant.name, &tenant.labels);
    let Some(name) = name else {
        let first = plan.tenants.iter().find(takes);
        return first.ok_or_else(|| failed(format!("sink `{}` gets the alerts of no tenant", sink.name)));
    };
    let named = plan.tenants.iter().find(|tenant| tenant.name == name);
    let named = named.ok_or_else(|| failed(format!("no tenant `{name}` is in the file")))?;
    let message = || failed(format!("sink `{}` does not get the alerts of tenant `{name}`", sink.name));
    Some(named).filter(takes).ok_or_else(message)
}

/// What a destination puts around a record.
enum Around {
    Event(Box<HecOptions>),
    Line,
    Message(MessageOptions, Transport),
}

/// How a sink's lane writes one tenant's alerts.
struct Wire {
    rendering: Rendering,
    /// The Entra tenant id.
    tenant_id: String,
    around: Around,
}

impl Wire {
    fn new(plan: &Plan, sink: &SinkPlan, tenant: &TenantPlan) -> Self {
        let around = match &sink.destination {
            DestinationPlan::File(_) | DestinationPlan::Kafka(_) | DestinationPlan::StandardOutput => Around::Line,
            DestinationPlan::SplunkHec(plan) => {
                Around::Event(Box::new(registry::splunk_hec::options(plan, &sink.format)))
            }
            DestinationPlan::Syslog(plan) => {
                Around::Message(registry::syslog::message(plan), registry::syslog::transport(plan.transport))
            }
        };
        // Without the sink's filter: whoever asks for an alert wants to see it.
        let rendering = Rendering::new(
            registry::renderer(sink),
            registry::per(sink),
            OnlyPlan::default(),
            watch::channel(Arc::new(Tenants::new(plan))).1,
        );
        Self { rendering, tenant_id: tenant.tenant_id.clone(), around }
    }

    /// The records of an alert, as if it stood in the journal.
    fn records(&mut self, alert: &Alert) -> Vec<Record> {
        const READ: &str = "the input was read as JSON objects, and nothing is filtered out";
        let name = FeedName { tenant_id: self.tenant_id.clone(), source: "preview".to_owned() };
        let feed = Arc::new(FeedInfo { name, kind: alert.shape.source_kind().to_owned() });
        let view = View::read(alert.shape, alert.raw.as_bytes()).expect(READ);
        let key = Key { time: view.updated(), id: *view.record_id(&self.tenant_id, false).as_bytes() };
        let bytes = Bytes::copy_from_slice(alert.raw.as_bytes());
        let entry = Entry { feed, place: Place(0), key, flags: 0, bytes };
        self.rendering.records(&entry).expect(READ).collect()
    }

    fn bytes(&self, record: &Record) -> Vec<u8> {
        match &self.around {
            Around::Event(options) => sink_splunk_hec::preview(options, record),
            Around::Line => [&record.payload[..], b"\n"].concat(),
            Around::Message(options, transport) => sink_syslog::preview(options, *transport, record),
        }
    }
}

/// Coloured on a terminal; elsewhere the bytes, and where a datagram or an event would end, a line's end.
fn print(wire: &mut Wire, alerts: &[Alert]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let coloured = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let ends_unseen = matches!(wire.around, Around::Event(_) | Around::Message(_, Transport::Udp));
    for record in alerts.iter().flat_map(|alert| wire.records(alert)).collect::<Vec<_>>() {
        let bytes = wire.bytes(&record);
        if coloured {
            writeln!(out, "{}", terminal::shown(&bytes, &record.payload))?;
        } else {
            out.write_all(&bytes)?;
            if ends_unseen {
                out.write_all(b"\n")?;
            }
        }
    }
    out.flush()
}

/// The name of the one sink of [`plan_of`].
const SINK: &str = "preview";

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(args: &PreviewArgs) -> Result<Vec<String>, Failure> {
        let plan = plan_of(args, None)?;
        let sink = sink(&plan, SINK)?;
        let mut wire = Wire::new(&plan, sink, tenant(&plan, sink, args.tenant.as_deref())?);
        let records: Vec<Record> = input::read(None)?.iter().flat_map(|alert| wire.records(alert)).collect();
        let text = |record| String::from_utf8(wire.bytes(record)).expect("records are UTF-8");
        Ok(records.iter().map(text).collect())
    }

    fn args() -> PreviewArgs {
        let (profile, format, per, header, framing) = (None, None, None, None, None);
        let (live, count) = (false, 5);
        PreviewArgs { file: None, live, count, profile, format, per, header, framing, sink: None, tenant: None }
    }

    fn word(word: &str) -> Option<String> {
        Some(word.to_owned())
    }

    /// Guarantee: every shape in every profile is as it was proofread: its header and the beginning of its record, and how
    /// many bytes it has. What follows in a record has golden files of its own, in `transform`.
    #[test]
    fn every_profile_is_as_it_was_proofread() {
        const SHOWN: usize = 220;
        let mut golden = String::new();
        for profile in pipeline_file::profiles() {
            golden += &format!("== {profile}\n");
            for message in wire(&PreviewArgs { profile: word(profile), ..args() }).expect("nothing is wrong") {
                let line: String = message.trim_end().replace('\t', "<TAB>").chars().take(SHOWN).collect();
                golden += &format!("{line}… ({} bytes)\n", message.len());
            }
        }
        insta::assert_snapshot!("profiles", golden);
    }

    /// Guarantee: with nothing said, all samples are whole messages of RFC 5424 with CEF in them.
    #[test]
    fn the_samples_are_shown() {
        let messages = wire(&args()).expect("nothing is wrong");
        assert_eq!(messages.len(), 5);
        for message in messages {
            let begins = ["<16", ">1 20", " atp-contoso atp-forwarder - - [atp@32473 "];
            assert!(begins.iter().all(|part| message.contains(part)) && message.starts_with('<'), "{message}");
            assert!(message.contains(" CEF:0|Microsoft|") && message.ends_with('\n'), "{message}");
        }
    }

    /// Guarantee: profile, format, evidence, header, framing and tenant are what was asked for.
    #[test]
    fn the_command_line_is_followed() {
        let first = |args: &PreviewArgs| wire(args).expect("nothing is wrong").remove(0);
        let arcsight = first(&PreviewArgs { profile: word("arcsight"), tenant: word("fabrikam"), ..args() });
        assert!(arcsight.starts_with('<') && arcsight.contains(" atp-fabrikam CEF:0|"), "{arcsight}");
        let qradar = first(&PreviewArgs { profile: word("qradar"), ..args() });
        assert!(qradar.contains(" atp-contoso LEEF:1.0|Microsoft|") && qradar.contains("\tcat="), "{qradar}");
        let leef = wire(&PreviewArgs { profile: word("qradar"), per: word("evidence"), ..args() });
        assert_eq!(leef.expect("nothing is wrong").len(), 3 + 1 + 3 + 1 + 1, "one for each piece of evidence");
        let splunk = first(&PreviewArgs { profile: word("splunk"), ..args() });
        assert!(splunk.starts_with("{\"tenant\":\"contoso\",") && splunk.ends_with("}\n"), "{splunk}");
        let bare = PreviewArgs { format: word("cef"), header: word("none"), framing: word("octet_counting"), ..args() };
        let counted = first(&bare);
        let (count, message) = counted.split_once(' ').expect("a count comes first");
        assert_eq!(count.parse(), Ok(message.len()));
        assert!(message.starts_with("CEF:0|"), "{message}");
    }

    /// Guarantee: a sink of the file is shown to a tenant whose alerts it gets, the first of them unless one is named;
    /// names that lead nowhere are refused.
    #[test]
    fn a_sink_is_shown_with_a_tenant_of_its_own() {
        let ids = "client_id: 66666666-7777-8888-9999-000000000000, client_secret: { env: NONE }";
        let yaml = format!(
            "tenants:\n  contoso: {{ tenant_id: 11111111-2222-3333-4444-555555555555, {ids} }}\n  \
             fabrikam: {{ tenant_id: 21111111-2222-3333-4444-555555555555, {ids} }}\n\
             sources: {{ alerts: {{ mde_alerts: {{}} }} }}\n\
             sinks:\n  siem: {{ for: generic, only: {{ tenants: [fabrikam] }}, syslog: {{ address: 'udp://siem' }} }}\n  \
             lake: {{ format: json, file: {{ path: lake.json }} }}\n"
        );
        let environment = Environment { folder: "/".into(), state_directory: None };
        let plan = pipeline_file::check(&yaml, Path::new("pipeline.yaml"), &environment).expect("nothing is wrong");
        let siem = sink(&plan, "siem").expect("it is in the file");
        let lake = sink(&plan, "lake").expect("it is in the file");
        let name = |sink, name| tenant(&plan, sink, name).map(|tenant| tenant.name.as_str()).map_err(|e| e.to_string());
        assert_eq!(name(siem, None), Ok("fabrikam"));
        assert_eq!(name(lake, None), Ok("contoso"));
        assert_eq!(name(lake, Some("fabrikam")), Ok("fabrikam"));
        assert_eq!(name(lake, Some("x")), Err("no tenant `x` is in the file".to_owned()));
        let other = "sink `siem` does not get the alerts of tenant `contoso`".to_owned();
        assert_eq!(name(siem, Some("contoso")), Err(other));
        let gone = sink(&plan, "x").expect_err("it is not in the file").to_string();
        assert_eq!(gone, "no sink `x` is enabled in the file; there is lake, siem");

        let mut lines = Wire::new(&plan, lake, tenant(&plan, lake, None).expect("it is in the file"));
        let sample = &input::read(None).expect("the samples are alerts")[0];
        let record = &lines.records(sample)[0];
        assert_eq!(lines.bytes(record), [&record.payload[..], b"\n"].concat(), "a file has lines");
    }

    /// Guarantee: a tenant's name that is none is refused with the file's sentence.
    #[test]
    fn what_cannot_be_is_refused() {
        let sentence = |args: &PreviewArgs| wire(args).expect_err("it is refused").to_string();
        let strange = sentence(&PreviewArgs { tenant: word("x\": {}, \"y"), ..args() });
        assert!(strange.contains("a name is made of letters"), "{strange}");
    }
}
