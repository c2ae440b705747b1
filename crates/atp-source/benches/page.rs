//! Splitting and keying a page against the baseline `Vec<&RawValue>`: serde_json finding the rows and nothing more.
//!
//! Both run in turns within one process, and CPU time is compared, so that the machine's load cancels out. Prints both
//! in MB/s and exits with 1 where ours has less than 70 % of the baseline's bytes a second.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;

use atp_source::Api;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The least share of the baseline's bytes a second.
const GOAL: f64 = 0.70;
const ALERTS: u32 = 500;
const PAGES_IN_A_ROUND: usize = 30;
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// The baseline: where each row is, and no word of what is in it.
#[derive(Deserialize)]
struct BarePage<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
}

fn main() -> ExitCode {
    let body = Bytes::from(page());
    let [mut baseline, mut ours] = [const { Vec::new() }; 2];
    for _ in 0..extent(41, 11) {
        baseline.push(cpu_seconds_of(|| {
            let page: BarePage<'_> = serde_json::from_slice(black_box(&body)).expect("the page is JSON");
            black_box(page.value.len());
        }));
        ours.push(cpu_seconds_of(|| {
            let rows = atp_source::rows(Api::MdeAlerts { expand_evidence: true }, TENANT, black_box(&body));
            black_box(rows.expect("the page is a list of alerts").len());
        }));
    }
    // Each round against its neighbour: what the rest of the machine does then weighs on both alike.
    let ratio = median(baseline.iter().zip(&ours).map(|(baseline, ours)| baseline / ours).collect());
    report(body.len(), median(baseline), median(ours), ratio)
}

fn report(bytes: usize, baseline: f64, ours: f64, ratio: f64) -> ExitCode {
    let megabytes = bytes as f64 * PAGES_IN_A_ROUND as f64 / 1e6;
    let rows = f64::from(ALERTS) * PAGES_IN_A_ROUND as f64;
    println!("page: {ALERTS} alerts, {bytes} bytes");
    println!("baseline, Vec<&RawValue>:     {:7.0} MB/s", megabytes / baseline);
    println!("rows with ids, times, digests: {:6.0} MB/s, {:.0} alerts/s", megabytes / ours, rows / ours);
    println!("share of the baseline: {ratio:.2} (at least {GOAL:.2})");
    if ratio < GOAL { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn cpu_seconds_of(mut work: impl FnMut()) -> f64 {
    let before = cpu_nanoseconds();
    for _ in 0..PAGES_IN_A_ROUND {
        work();
    }
    (cpu_nanoseconds() - before) as f64 / 1e9
}

/// Nanoseconds that this process, which has one thread, has spent on a processor.
fn cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells its processes their CPU time");
    text.split(' ').next().and_then(|field| field.parse().ok()).expect("the first field is nanoseconds")
}

/// How much is measured: enough for figures, or, where `ATP_BENCH=short`, enough to see a bound broken.
fn extent<T>(full: T, short: T) -> T {
    if std::env::var_os("ATP_BENCH").is_some_and(|extent| extent == "short") { short } else { full }
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// A page as the public API writes it: some 2.6 KB an alert, rich in strings, with escapes, `null` and evidence.
fn page() -> Vec<u8> {
    let mut text =
        String::from(r#"{"@odata.context":"https://api.security.microsoft.com/api/$metadata#Alerts","value":["#);
    for n in 0..ALERTS {
        let separator = if n == 0 { "" } else { "," };
        text.push_str(separator);
        alert(&mut text, n);
    }
    text.push_str("]}");
    text.into_bytes()
}

fn alert(text: &mut String, n: u32) {
    let (minute, second) = (n / 60 % 60, n % 60);
    write!(
        text,
        r#"{{"id":"da6373083922889{n:05}_-88071{n:04}","incidentId":{n},"investigationId":72{n},"assignedTo":null,"severity":"Medium","status":"New","classification":null,"determination":null,"investigationState":"Queued","detectionSource":"WindowsDefenderAv","detectorId":"17e10bbc-3a68-474a-8aad-faef14d43952","category":"Execution","threatFamilyName":"Meterpreter","title":"Suspicious \u0027Meterpreter\u0027 behavior was detected","description":"Malware and unwanted software are undesirable applications that perform annoying, disruptive, or harmful actions on affected machines. Some of these can replicate and spread.\n\nA malware is considered active if it is found running on the machine or it already has persistence mechanisms in place.\nBecause this malware was active, take precautionary measures.","alertCreationTime":"2020-07-20T10:{minute:02}:{second:02}.7657932Z","firstEventTime":"2020-07-20T10:52:17.6654369Z","lastEventTime":"2020-07-20T10:52:18.1362905Z","lastUpdateTime":"2020-07-20T11:{minute:02}:{second:02}.19Z","resolvedTime":null,"machineId":"12ee6dd8c833c8a052ea231ec1b19adaf497b625","computerDnsName":"desktop-{n}.middleeast.corp.example.com","rbacGroupName":"MiddleEast","aadTenantId":"a839b112-1253-6432-9bf6-94542403f21c","threatName":null,"mitreTechniques":["T1064","T1085","T1220"],"relatedUser":{{"userName":"temp{n}","domainName":"DOMAIN"}},"loggedOnUsers":[{{"accountName":"administrator{n}","domainName":"DOMAIN"}}],"comments":[],"evidence":["#
    )
    .expect("a string takes every byte");
    for (index, kind) in ["User", "Process", "File"].into_iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        write!(
            text,
            r#"{{"entityType":"{kind}","evidenceCreationTime":"2021-01-26T20:33:58.42Z","sha1":"ff836cfb1af40252bd2a2ea843032e99a5b262ed","sha256":null,"fileName":"rundll32.exe","filePath":"C:\\Windows\\SysWOW64","processId":{n},"processCommandLine":"rundll32.exe  c:\\temp\\suspicious{n}.dll,\"RepeatAfterMe\"","processCreationTime":null,"parentProcessId":null,"parentProcessCreationTime":null,"parentProcessFileName":null,"parentProcessFilePath":null,"ipAddress":null,"url":null,"registryKey":null,"registryHive":null,"registryValueType":null,"registryValue":null,"accountName":"name","domainName":"DOMAIN","userSid":"S-1-5-21-11111607-1111760036-109187956-75141","aadUserId":null,"userPrincipalName":null,"detectionStatus":"Detected"}}"#
        )
        .expect("a string takes every byte");
    }
    text.push_str("],\"domains\":[]}");
}
