//! What files without faults mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_file::plan::{
    AddressPlan, CefPlan, CefVersionPlan, CompressionPlan, DestinationPlan, EnvelopePlan, FilePlan, FormatPlan,
    FramingPlan, HeaderPlan, KeepPlan, LeefPlan, LeefVersionPlan, MinSeverity, PathsPlan, PerPlan, QuotaPlan,
    RotatePlan, SourceKind, SourcePlan, SpreadPlan, Start, SyslogPlan, TenantPattern, TlsPlan, TokenEndpoint,
    TransportPlan,
};
use pipeline_file::{Environment, Plan, SecretSource, check};

fn environment() -> Environment {
    Environment { folder: PathBuf::from("/etc/atp-forwarder"), state_directory: None }
}

fn plan_in(text: &str, environment: &Environment) -> Plan {
    check(text, Path::new("pipeline.yaml"), environment).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A file with these keys of its one tenant, these sources and this one sink.
fn file(tenant: &str, sources: &str, sink: &str) -> String {
    format!(
        "tenants: {{ contoso: {{ tenant_id: AAAAAAAA-2222-3333-4444-555555555555, \
         client_id: 66666666-7777-8888-9999-000000000000, client_secret: {{ env: SECRET }}, {tenant} }} }}\n\
         sources: {{ {sources} }}\n\
         sinks: {{ siem: {{ {sink} }} }}\n"
    )
}

fn plan(tenant: &str, sources: &str, sink: &str) -> Plan {
    plan_in(&file(tenant, sources, sink), &environment())
}

const MDE: &str = "alerts: { mde_alerts: {} }";
const TO_TERMINAL: &str = "format: cef, file: { path: '-' }";

fn source(tenant: &str, sources: &str) -> SourcePlan {
    plan(tenant, sources, TO_TERMINAL).tenants[0].sources[0].clone()
}

/// What the file does not say is what its documentation says.
#[test]
fn defaults_hold() {
    let plan = plan("", MDE, TO_TERMINAL);
    let tenant = &plan.tenants[0];
    assert_eq!(tenant.tenant_id, "aaaaaaaa-2222-3333-4444-555555555555", "in lower case");
    assert_eq!(tenant.authority.as_str(), "https://login.microsoftonline.com/");
    assert!(matches!(&tenant.client_secret, SecretSource::Env(name) if name == "SECRET"));
    let source = &tenant.sources[0];
    assert_eq!(source.poll_every, Duration::from_secs(60));
    assert_eq!(source.look_back, Duration::from_secs(900));
    assert_eq!(source.start, Duration::from_secs(86_400));
    assert_eq!((source.page_size, source.expand_evidence), (1_000, true));
    assert_eq!(source.quota, QuotaPlan { per_minute: 100, per_hour: 1_500, reserve_percent: 20 });
    assert_eq!(plan.journal.path, Path::new("/etc/atp-forwarder/data"));
    assert_eq!(plan.journal.max_size, 4 << 30);
    assert_eq!(plan.journal.keep, Duration::from_secs(72 * 3_600));
    assert_eq!(plan.journal.remember, Duration::from_secs(30 * 86_400));
    let sink = &plan.sinks[0];
    assert_eq!((sink.from, sink.max_rate, sink.was.as_deref()), (Start::Now, None, None));
    assert_eq!(sink.max_dead_letters, 10_000);
    assert_eq!((sink.per, sink.max_bytes), (PerPlan::Alert, None));
    assert_eq!(sink.format, FormatPlan::Cef(CefPlan::default()));
    assert_eq!(sink.destination, DestinationPlan::StandardOutput);
    assert_eq!(plan.admin, None, "nothing is listened to that was not asked for");
}

/// Metrics are read on the address that was named, loopback or not.
#[test]
fn an_admin_address_is_listened_to() {
    for listen in ["127.0.0.1:8686", "[::1]:9", "0.0.0.0:8686"] {
        let text = file("", MDE, TO_TERMINAL) + &format!("admin: {{ listen: '{listen}' }}\n");
        let admin = plan_in(&text, &environment()).admin.unwrap();
        assert_eq!(admin.listen.to_string(), listen);
    }
}

/// The defaults that the schema shows to editors are those that hold: written out, they change nothing.
#[test]
fn the_schema_tells_the_defaults() {
    let silent = file(
        "region: eu",
        "a: { mde_alerts: {} }, b: { alerts_export: {} }",
        "format: { json: {} }, syslog: { address: 'tls://siem' }",
    );
    let schema = pipeline_file::schema();
    let defaults = |definition: &str| {
        let properties = schema["$defs"][definition]["properties"].as_object().unwrap();
        let shown = properties.iter().filter_map(|(key, schema)| Some(format!("{key}: {}", schema.get("default")?)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let spoken = file(
        &format!("region: eu, {}", defaults("Tenant")),
        &format!(
            "a: {{ mde_alerts: {{ {}, quota: {{ {} }} }} }}, b: {{ alerts_export: {{ {} }} }}",
            defaults("MdeAlerts"),
            defaults("Quota"),
            defaults("AlertsExport"),
        ),
        &format!(
            "format: {{ json: {{ {} }} }}, syslog: {{ address: 'tls://siem', {} }}, {}",
            defaults("JsonKeys"),
            defaults("Syslog"),
            defaults("Sink")
        ),
    ) + &format!("journal: {{ embedded: {{ {} }} }}\n", defaults("EmbeddedJournal"));
    for word in ["poll_every", "envelope", "max_size", "reserve", "cloud", "from", "facility", "host"] {
        assert!(spoken.contains(word), "{spoken}");
    }
    let [silent, spoken] = [silent, spoken].map(|text| format!("{:#?}", plan_in(&text, &environment())));
    assert_eq!(silent, spoken);
}

/// Each cloud and region has the hosts and the audience that Microsoft documents for it.
#[test]
fn clouds_and_regions_have_their_hosts() {
    const EXPORT: &str = "alerts: { alerts_export: {} }";
    const GRAPH: &str = "https://graph.windows.net";
    const WORLD: &str = "https://api.securitycenter.microsoft.com";
    for (tenant, sources, base, resource) in [
        ("", MDE, "https://api.securitycenter.microsoft.com/", WORLD),
        ("region: swa", MDE, "https://swa.api.security.microsoft.com/", WORLD),
        (
            "endpoints: { mde: api.security.microsoft.com }",
            MDE,
            "https://api.security.microsoft.com/",
            "https://api.security.microsoft.com",
        ),
        ("endpoints: { mde: 'http://127.0.0.1:9/api/alerts' }", MDE, "http://127.0.0.1:9/", WORLD),
        (
            "cloud: gcc",
            MDE,
            "https://api-gcc.securitycenter.microsoft.us/",
            "https://api-gcc.securitycenter.microsoft.us",
        ),
        (
            "cloud: dod",
            MDE,
            "https://api-gov.securitycenter.microsoft.us/",
            "https://api-gov.securitycenter.microsoft.us",
        ),
        ("region: uk", EXPORT, "https://wdatp-alertexporter-uk.windows.com/", GRAPH),
        ("cloud: gcc", EXPORT, "https://wdatp-alertexporter-us.gcc.securitycenter.windows.us/", GRAPH),
        ("cloud: gcc_high, region: us", EXPORT, "https://wdatp-alertexporter-us.securitycenter.windows.us/", GRAPH),
        ("region: au, endpoints: { export: 'https://x/api/alert' }", EXPORT, "https://x/", GRAPH),
    ] {
        let source = source(tenant, sources);
        assert_eq!((source.base.as_str(), source.resource.as_str()), (base, resource), "{tenant}");
    }
    let authority = |tenant: &str| plan(tenant, MDE, TO_TERMINAL).tenants[0].authority.to_string();
    assert_eq!(authority("cloud: gcc"), "https://login.microsoftonline.com/");
    assert_eq!(authority("cloud: gcc_high"), "https://login.microsoftonline.us/");
    assert_eq!(authority("endpoints: { authority: 'http://localhost:1' }"), "http://localhost:1/");
}

/// A resource is kept as it is written, but for the suffix that who asks puts there.
#[test]
fn a_resource_overrides_the_default() {
    let resource =
        |written: &str| source("", &format!("alerts: {{ mde_alerts: {{ resource: '{written}' }} }}")).resource;
    assert_eq!(resource("https://api.securitycenter.windows.com/"), "https://api.securitycenter.windows.com/");
    assert_eq!(resource("https://api.security.microsoft.com/.default"), "https://api.security.microsoft.com");
}

/// The export asks the v1 endpoint unless told otherwise, for its resource is one of the old directory.
#[test]
fn token_endpoints() {
    let endpoint =
        |keys: &str| source("region: eu", &format!("alerts: {{ alerts_export: {{ {keys} }} }}")).token_endpoint;
    assert_eq!(endpoint(""), TokenEndpoint::V1);
    assert_eq!(endpoint("token_endpoint: v2"), TokenEndpoint::V2);
}

/// A tenant's own source is laid over the common one of its name, key by key; another kind takes its place; no value
/// removes it.
#[test]
fn own_sources_are_laid_over_common_ones() {
    let common = "a: { mde_alerts: { poll_every: 2m, page_size: 7, quota: { per_minute: 5, per_hour: 50 } } }, b: { mde_alerts: {} }, c: { mde_alerts: {} }";
    let own = "region: eu, sources: { a: { mde_alerts: { poll_every: 3m, quota: { per_minute: 6 } } }, b: null, c: { alerts_export: {} }, d: { mde_alerts: {} } }";
    let plan = plan(own, common, TO_TERMINAL);
    let sources = &plan.tenants[0].sources;
    let kinds: Vec<_> = sources.iter().map(|source| (source.name.as_str(), source.kind)).collect();
    let (mde, export) = (SourceKind::MdeAlerts, SourceKind::AlertsExport);
    assert_eq!(kinds, [("a", mde), ("c", export), ("d", mde)]);
    assert_eq!((sources[0].poll_every, sources[0].page_size), (Duration::from_secs(180), 7));
    assert_eq!(sources[0].quota, QuotaPlan { per_minute: 6, per_hour: 50, reserve_percent: 20 });
}

/// A shared credential is found by name, by a tenant or by the defaults; a tenant's own keys come before the default.
#[test]
fn credentials_are_found() {
    let text = "
credentials:
  one: { client_id: 11111111-7777-8888-9999-000000000000, client_secret: { file: one } }
  two: { client_id: 22222222-7777-8888-9999-000000000000, client_secret: [ { command: [vault, CANARY] }, { env: TWO } ] }
defaults: { tenant: { credential: one } }
tenants:
  a: { tenant_id: 11111111-2222-3333-4444-555555555555 }
  b: { tenant_id: 21111111-2222-3333-4444-555555555555, credential: two }
  c:
    tenant_id: 31111111-2222-3333-4444-555555555555
    client_id: 33333333-7777-8888-9999-000000000000
    client_secret: { env: THREE }
sources: { alerts: { mde_alerts: {} } }
sinks: { siem: { format: cef, file: { path: '-' } } }
";
    let plan = plan_in(text, &environment());
    let who: Vec<_> =
        plan.tenants.iter().map(|tenant| format!("{} {:?}", &tenant.client_id[..1], tenant.client_secret)).collect();
    assert_eq!(who, ["1 file one", "2 [command vault, env TWO]", "3 env THREE"]);
    assert!(!format!("{plan:?}").contains("CANARY"), "a command's arguments are not shown");
    let SecretSource::File(file) = &plan.tenants[0].client_secret else { panic!("a file") };
    assert_eq!(file.folder, Path::new("/etc/atp-forwarder"));
}

/// Relative paths start from the file's folder; the journal lies in the service's state folder when the file is silent.
#[test]
fn paths_are_absolute() {
    let text = file("endpoints: { ca: ca.pem }", MDE, "format: json, file: { path: out/alerts.json }");
    let state = Environment { state_directory: Some("/var/lib/atp-forwarder".into()), ..environment() };
    let plan = plan_in(&text, &state);
    assert_eq!(plan.tenants[0].ca.as_deref(), Some(Path::new("/etc/atp-forwarder/ca.pem")));
    assert_eq!(plan.sinks[0].destination, one_file("/etc/atp-forwarder/out/alerts.json"));
    assert_eq!(plan.journal.path, Path::new("/var/lib/atp-forwarder"));
    let journal =
        |path: &str| plan_in(&format!("{text}journal: {{ embedded: {{ path: {path} }} }}\n"), &state).journal.path;
    assert_eq!(journal("queue"), Path::new("/etc/atp-forwarder/queue"));
    assert_eq!(journal("/srv/queue"), Path::new("/srv/queue"));
}

/// A sink's keys mean what they say.
#[test]
fn sinks_are_planned() {
    let keys = "format: cef, file: { path: x }, from: 90m, was: old, max_rate: 5/s, per: evidence, max_bytes: 4KiB, \
                only: { tenants: [ 'con*', { labels: { tier: gold } } ], min_severity: medium }";
    let plan = plan("labels: { tier: gold }", MDE, keys);
    let sink = &plan.sinks[0];
    assert_eq!((sink.per, sink.max_bytes), (PerPlan::Evidence, Some(4_096)));
    assert_eq!(sink.from, Start::Since(Duration::from_secs(5_400)));
    assert_eq!((sink.was.as_deref(), sink.max_rate), (Some("old"), Some(5)));
    assert_eq!(sink.only.min_severity, Some(MinSeverity::Medium));
    let gold = [("tier".to_owned(), "gold".to_owned())].into();
    assert_eq!(sink.only.tenants, [TenantPattern::Name("con*".into()), TenantPattern::Labels(gold)]);
    assert!(sink.only.takes_tenant("contoso", &plan.tenants[0].labels));
    assert!(!sink.only.takes_tenant("fabrikam", &Default::default()));
}

/// A format's keys mean what they say, and those that are not there are CEF 0, LEEF 1.0 with a tab, LEEF 2.0 with `^`.
#[test]
fn formats_are_planned() {
    let word = |word: &str| Some(word.to_owned());
    let (vendor, product, product_version) = (word("Contoso"), word("Watch"), word("2"));
    let who = "vendor: Contoso, product: Watch, product_version: '2'";
    let cef = FormatPlan::Cef(CefPlan {
        version: CefVersionPlan::V1,
        vendor: vendor.clone(),
        product: product.clone(),
        product_version: product_version.clone(),
    });
    let version = LeefVersionPlan::V2 { delimiter: '\t' };
    let leef = FormatPlan::Leef(LeefPlan { version, vendor, product, product_version, keep_pipes: true });
    let leef_version = |version| FormatPlan::Leef(LeefPlan { version, ..LeefPlan::default() });
    for (format, expected) in [
        (format!("{{ cef: {{ version: 1, {who} }} }}"), cef),
        ("{ cef: { version: 0 } }".to_owned(), FormatPlan::Cef(CefPlan::default())),
        (format!("{{ leef: {{ version: 2, delimiter: tab, keep_pipes: true, {who} }} }}"), leef.clone()),
        (format!("{{ leef: {{ version: 2, delimiter: \"\\t\", keep_pipes: true, {who} }} }}"), leef),
        ("leef".to_owned(), leef_version(LeefVersionPlan::V1)),
        ("{ leef: {} }".to_owned(), leef_version(LeefVersionPlan::V1)),
        ("{ leef: { version: 2 } }".to_owned(), leef_version(LeefVersionPlan::V2 { delimiter: '^' })),
        ("{ json: { envelope: none } }".to_owned(), FormatPlan::Json { envelope: EnvelopePlan::None }),
    ] {
        let sink = plan("", MDE, &format!("format: {format}, file: {{ path: x }}")).sinks.remove(0);
        assert_eq!(sink.format, expected, "{format}");
    }
}

fn syslog(sink: &str) -> SyslogPlan {
    match plan("labels: { site: koeln }", MDE, sink).sinks.remove(0).destination {
        DestinationPlan::Syslog(syslog) => *syslog,
        other => panic!("{other:?}"),
    }
}

/// What a syslog sink does not say is RFC 5424 with the framing, the port and the size of its transport.
#[test]
fn syslog_has_defaults() {
    let address = |port| AddressPlan { host: "siem".into(), port };
    let tls = syslog("format: cef, syslog: { address: 'tls://siem' }");
    let expected = SyslogPlan {
        transport: TransportPlan::Tls,
        addresses: vec![address(6514)],
        spread: SpreadPlan::Failover,
        reconnect: None,
        header: HeaderPlan::Rfc5424,
        framing: Some(FramingPlan::OctetCounting),
        facility: "local4",
        app_name: "atp-forwarder".into(),
        message_id: None,
        structured_data: true,
        timezone: chrono_tz::UTC,
        hosts: [("contoso".to_owned(), "atp-contoso".to_owned())].into(),
        max_bytes: Some(8_192),
        tls: TlsPlan::default(),
    };
    assert_eq!(tls, expected);
    for (scheme, transport, port, framing, max_bytes) in [
        ("tcp", TransportPlan::Tcp, 514, Some(FramingPlan::Lf), 8_192),
        ("udp", TransportPlan::Udp, 514, None, 2_048),
        ("relp", TransportPlan::Relp, 2514, None, 8_192),
        ("relps", TransportPlan::RelpTls, 2514, None, 8_192),
    ] {
        let planned = syslog(&format!("format: cef, syslog: {{ address: '{scheme}://siem' }}"));
        let (addresses, max_bytes) = (vec![address(port)], Some(max_bytes));
        assert_eq!(planned, SyslogPlan { transport, addresses, framing, max_bytes, ..expected.clone() });
    }
}

/// A syslog sink's keys mean what they say.
#[test]
fn syslog_is_planned() {
    let planned = syslog(
        "format: cef, max_bytes: 9000, host: 'x-{{ tenant.labels.site }}', syslog: { \
         address: [ 'tls://a', 'tls://[::1]:99' ], spread: round_robin, reconnect: 1h, header: rfc5424, framing: lf, \
         facility: clock_daemon, app_name: app, message_id: id, structured_data: false, \
         tls: { cert: c.pem, key: /k.pem, pin: [ 'sha256:0101010101010101010101010101010101010101010101010101010101010101' ], \
                server_name: siem.example } }",
    );
    let addresses = [("a", 6514), ("::1", 99)].map(|(host, port)| AddressPlan { host: host.into(), port });
    let expected = SyslogPlan {
        transport: TransportPlan::Tls,
        addresses: addresses.into(),
        spread: SpreadPlan::RoundRobin,
        reconnect: Some(Duration::from_secs(3_600)),
        header: HeaderPlan::Rfc5424,
        framing: Some(FramingPlan::Lf),
        facility: "clock_daemon",
        app_name: "app".into(),
        message_id: Some("id".into()),
        structured_data: false,
        timezone: chrono_tz::UTC,
        hosts: [("contoso".to_owned(), "x-koeln".to_owned())].into(),
        max_bytes: Some(9_000),
        tls: TlsPlan {
            ca: None,
            identity: Some(("/etc/atp-forwarder/c.pem".into(), "/k.pem".into())),
            pins: vec![[1; 32]],
            server_name: Some("siem.example".into()),
        },
    };
    assert_eq!(planned, expected);
    let old = syslog("format: cef, syslog: { address: 'tcp://a', header: rfc3164, timezone: Europe/Berlin }");
    assert_eq!((old.header, old.timezone), (HeaderPlan::Rfc3164, chrono_tz::Europe::Berlin));
    let bare = syslog("format: cef, syslog: { address: 'tcp://a', header: none }");
    assert_eq!((bare.header, bare.hosts.len()), (HeaderPlan::None, 0));
    let ca = syslog("format: cef, syslog: { address: 'relps://a', tls: { ca: ca.pem } }").tls.ca;
    assert_eq!(ca.as_deref(), Some(Path::new("/etc/atp-forwarder/ca.pem")));
}

/// `for` sets what its receiver wants, and each of it can be overridden.
#[test]
fn profiles_set_what_is_not_said() {
    use HeaderPlan::{None as NoHeader, Rfc3164, Rfc5424};
    const LF: Option<FramingPlan> = Some(FramingPlan::Lf);
    const COUNTED: Option<FramingPlan> = Some(FramingPlan::OctetCounting);
    let cef = FormatPlan::Cef(CefPlan::default());
    let json = FormatPlan::Json { envelope: EnvelopePlan::Wrap };
    let leef = FormatPlan::Leef(LeefPlan::default());
    for (profile, format, header, framing, max_bytes) in [
        ("arcsight", &cef, Rfc3164, LF, Some(8_192)),
        ("qradar", &leef, Rfc3164, LF, Some(4_096)),
        ("sentinel", &cef, Rfc3164, LF, Some(8_192)),
        ("sc4s", &cef, Rfc5424, LF, Some(65_536)),
        ("splunk", &json, NoHeader, LF, None),
        ("elastic", &cef, Rfc5424, LF, None),
        ("generic", &cef, Rfc5424, COUNTED, Some(8_192)),
        ("splunk, format: cef, max_bytes: 1KiB", &cef, NoHeader, LF, Some(1_024)),
    ] {
        let keys = format!("for: {profile}, syslog: {{ address: 'tls://siem' }}");
        assert_eq!(plan("", MDE, &keys).sinks[0].format, *format, "{profile}");
        let syslog = syslog(&keys);
        assert_eq!((syslog.header, syslog.framing, syslog.max_bytes), (header, framing, max_bytes), "{profile}");
    }
    let own = syslog("for: arcsight, syslog: { address: 'tls://a', header: rfc5424, framing: octet_counting }");
    assert_eq!((own.header, own.framing), (Rfc5424, COUNTED));
    let datagrams = syslog("for: splunk, syslog: { address: 'udp://a' }");
    assert_eq!((datagrams.framing, datagrams.max_bytes), (None, Some(2_048)));
    assert_eq!(plan("", MDE, "for: splunk, file: { path: '-' }").sinks[0].format, json);
}

/// Only tenants whose alerts a sink gets need what its template names; tenants that are switched off do, for their
/// alerts may still wait.
#[test]
fn hosts_are_named_for_the_tenants_of_a_sink() {
    let text = file("labels: { site: koeln }", MDE, "for: generic, only: { tenants: [ contoso, off ] }, host: '{{ tenant.labels.site }}', syslog: { address: 'tcp://a' }")
        .replace("contoso: {", "off: { enabled: false, labels: { site: bonn }, tenant_id: BAAAAAAA-2222-3333-4444-555555555555, client_id: 66666666-7777-8888-9999-000000000000, client_secret: { env: X } }, other: { tenant_id: CAAAAAAA-2222-3333-4444-555555555555, client_id: 66666666-7777-8888-9999-000000000000, client_secret: { env: X } }, contoso: {");
    let DestinationPlan::Syslog(syslog) = plan_in(&text, &environment()).sinks.remove(0).destination else {
        panic!("syslog")
    };
    let hosts: Vec<_> = syslog.hosts.iter().map(|(tenant, host)| (tenant.as_str(), host.as_str())).collect();
    assert_eq!(hosts, [("contoso", "koeln"), ("off", "bonn")]);
}

/// A sink that is switched off is not in the plan; a tenant is, since its alerts may still wait.
#[test]
fn what_is_switched_off_is_left_out() {
    let text = file("", MDE, TO_TERMINAL)
        .replace("siem: {", "off: { enabled: false, format: cef, file: { path: x } }, siem: {")
        .replace("contoso: {", "off: { enabled: false, tenant_id: AAAAAAAA-2222-3333-4444-555555555555, client_id: 66666666-7777-8888-9999-000000000000, client_secret: { env: X } }, contoso: {");
    let plan = plan_in(&text, &environment());
    let tenants: Vec<_> = plan.tenants.iter().map(|tenant| (tenant.name.as_str(), tenant.enabled)).collect();
    assert_eq!(tenants, [("contoso", true), ("off", false)]);
    assert_eq!((plan.sinks.len(), plan.sinks[0].name.as_str()), (1, "siem"));
}

/// A byte order mark, carriage returns and JSON's way of writing are all the same file.
#[test]
fn other_ways_to_write_the_same() {
    let text = file("", MDE, TO_TERMINAL);
    let expected = format!("{:?}", plan_in(&text, &environment()));
    let json = serde_json::to_string_pretty(&serde_yaml::from_str::<serde_json::Value>(&text).unwrap()).unwrap();
    for other in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), format!("---\n{text}...\n"), json] {
        assert_eq!(format!("{:?}", plan_in(&other, &environment())), expected, "{other}");
    }
}

fn one_file(path: &str) -> DestinationPlan {
    DestinationPlan::File(Box::new(FilePlan {
        paths: PathsPlan::One(path.into()),
        mode: None,
        group: None,
        rotate: None,
    }))
}

fn file_plan(tenant: &str, keys: &str) -> FilePlan {
    match plan(tenant, MDE, &format!("format: cef, max_dead_letters: 5, file: {{ {keys} }}"))
        .sinks
        .remove(0)
        .destination
    {
        DestinationPlan::File(file) => *file,
        other => panic!("no file: {other:?}"),
    }
}

/// The keys of a file mean what they say.
#[test]
fn files_are_planned() {
    let keys = "path: x, mode: 0604, group: siem, rotate: { size: 2MiB, every: 1d, keep: 14, compress: gzip }";
    let file = file_plan("", keys);
    assert_eq!((file.mode, file.group.as_deref()), (Some(0o604), Some("siem")));
    let (size, every) = (Some(2 << 20), Some(Duration::from_secs(86_400)));
    let compress = Some(CompressionPlan::Gzip);
    assert_eq!(file.rotate, Some(RotatePlan { size, every, keep: KeepPlan::Files(14), compress }));
    let bare = file_plan("", "path: x, rotate: { every: 1h, keep: 7d, compress: none }").rotate;
    let (every, keep) = (Some(Duration::from_secs(3_600)), KeepPlan::For(Duration::from_secs(7 * 86_400)));
    assert_eq!(bare, Some(RotatePlan { size: None, every, keep, compress: None }));
    let all = file_plan("", "path: x, rotate: { size: 1KiB }").rotate;
    assert_eq!(all.map(|rotate| (rotate.keep, rotate.compress)), Some((KeepPlan::All, None)));
}

/// A path that is a template has a file for each tenant, below the last folder that is fixed.
#[test]
fn files_are_planned_for_each_tenant() {
    for (path, folder, file) in [
        ("/var/{{ tenant.name }}.cef", "/var", "contoso.cef"),
        ("out/{{ tenant.labels.site }}/a-{{ tenant.name }}/x.cef", "/etc/atp-forwarder/out", "HQ/a-contoso/x.cef"),
        ("{{ tenant.name }}/x.cef", "/etc/atp-forwarder", "contoso/x.cef"),
        ("/{% if tenant.labels.site %}a{% endif %}", "/", "a"),
    ] {
        let files = [("contoso".to_owned(), PathBuf::from(file))].into();
        let paths = file_plan("labels: { site: HQ }", &format!("path: \"{path}\"")).paths;
        assert_eq!(paths, PathsPlan::ByTenant { folder: folder.into(), files }, "{path}");
    }
}

/// A collector has the words of Splunk's own add-on for JSON and leaves the type of other formats to the token; JSON goes
/// without an envelope, whose words are fields; templates are filled in for each tenant.
#[test]
fn collectors_have_their_words() {
    let hec = |sink: &str| {
        let plan = plan("labels: { index: edr_contoso }", MDE, sink);
        let DestinationPlan::SplunkHec(hec) = plan.sinks[0].destination.clone() else { panic!("a collector") };
        (*hec, plan.sinks[0].format.clone())
    };
    const KEYS: &str = "url: 'https://splunk.example:8088', token: { env: HEC }, acknowledge: true";
    let (splunk, format) = hec(&format!("for: splunk, splunk_hec: {{ {KEYS} }}"));
    assert_eq!(format, FormatPlan::Json { envelope: EnvelopePlan::None });
    assert_eq!(splunk.urls[0].as_str(), "https://splunk.example:8088/");
    assert!(splunk.acknowledge && splunk.gzip && splunk.indexes.is_empty() && splunk.hosts.is_empty());
    assert_eq!(splunk.token, SecretSource::Env("HEC".to_owned()));
    assert_eq!((splunk.max_content, splunk.connections), (900_000, 2));
    assert_eq!(splunk.sources["contoso"], "ms_defender_atp_alerts");
    assert_eq!(splunk.sourcetypes["contoso"], "ms:defender:atp:alerts");
    let (cef, _) = hec(&format!(
        "format: cef, host: 'atp-{{{{ tenant.name }}}}', splunk_hec: {{ {KEYS}, max_content: 1MiB, gzip: false, \
         index: '{{{{ tenant.labels.index }}}}', tls: {{ ca: ca.pem, cert: c.pem, key: k.pem }} }}"
    ));
    assert!(cef.sourcetypes.is_empty() && !cef.gzip);
    assert_eq!((cef.indexes["contoso"].as_str(), cef.hosts["contoso"].as_str()), ("edr_contoso", "atp-contoso"));
    assert_eq!(cef.max_content, 1 << 20);
    assert_eq!(cef.ca.unwrap(), Path::new("/etc/atp-forwarder/ca.pem"));
    let (_, wrapped) = hec(&format!("format: {{ json: {{ envelope: wrap }} }}, splunk_hec: {{ {KEYS} }}"));
    assert_eq!(wrapped, FormatPlan::Json { envelope: EnvelopePlan::Wrap });
    let loopback = "url: ['http://127.0.0.1:8088', 'http://localhost'], token: { env: HEC }, acknowledge: false";
    assert_eq!(hec(&format!("for: splunk, splunk_hec: {{ {loopback} }}")).0.urls.len(), 2, "nobody is on the way");
}
