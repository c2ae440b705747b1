//! What a record costs the HEC sink, beside what it costs a bare client.
//!
//! The baseline, *bare client*: reqwest, the same events in batches of the same size, the same compression, as many
//! requests under way; no account of anything. It is handed the payloads, as the sink is, and writes an envelope around
//! each, as every client must. Both send in turns to the same receiver, which is a process of its own; what counts is the
//! CPU time of this process. Exits 1 where the sink costs more than 1.3 times the baseline.
//!
//! `cargo bench -p sink-splunk-hec`

mod bare;
mod receive;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use secrecy::SecretString;
use sink::suite::record;
use sink::{Batch, BatchId, Fates, Record, Sink};
use sink_splunk_hec::{Acknowledgement, HecOptions, HecSink, Payload, preview};
use url::Url;

const LIMIT: f64 = 1.3;
static ROUNDS: LazyLock<usize> = LazyLock::new(|| extent(5, 3));
static RECORDS: LazyLock<usize> = LazyLock::new(|| extent(100_000, 20_000));
/// Connections, each with one request under way.
const WINDOW: usize = 2;
const BATCH: usize = 250;
const RULE: Acknowledgement =
    Acknowledgement { ask_after: Duration::from_millis(50), give_up_after: Duration::from_secs(60) };

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("receive") {
        receive::receive();
        return ExitCode::SUCCESS;
    }
    let records = records();
    let bytes =
        records.iter().flat_map(|batch| batch.iter()).map(|record| record.payload.len()).sum::<usize>() / *RECORDS;
    println!(
        "{} alerts of {bytes} bytes, {BATCH} in a request, {WINDOW} requests under way, {} rounds in",
        *RECORDS, *ROUNDS
    );
    println!("turns, CPU time of this process");
    let receiver = Receiver::start();
    let kinds = [("gzip", true, false), ("gzip, acknowledged", true, true), ("plain", false, false)];
    let mut beyond = false;
    for (name, gzip, acknowledge) in kinds {
        beyond |= compare(name, gzip, acknowledge, &receiver.url, &records) > LIMIT;
    }
    if beyond {
        println!("the sink costs more than {LIMIT} times a bare client");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints what both cost, and returns their ratio.
fn compare(name: &str, gzip: bool, acknowledge: bool, url: &Url, records: &[Arc<[Record]>]) -> f64 {
    let mut options =
        HecOptions::new(vec![url.clone()], Arc::new(|| Ok(SecretString::from("token"))), Payload::JsonObject, None);
    options.gzip = gzip;
    options.connections = WINDOW;
    options.acknowledge = acknowledge.then_some(RULE);
    let (shown, bare_event) = (preview(&options, &records[0][0]), bare::plain(&records[0][..1]));
    assert_eq!(String::from_utf8(shown), String::from_utf8(bare_event), "both send the same");
    let (mut bare_cost, mut sink_cost) = (Vec::new(), Vec::new());
    for _ in 0..*ROUNDS {
        bare_cost.push(cpu_of(|| bare::send(url, gzip, records)));
        sink_cost.push(cpu_of(|| through_the_sink(&options, records)));
    }
    let (bare, sink) = (median(bare_cost), median(sink_cost));
    let per_record = |cost: f64| cost * 1e9 / *RECORDS as f64;
    println!("{name:<18} bare client 1.00 x {:>6.0} ns a record", per_record(bare));
    println!("{name:<18} the sink    {:.2} x {:>6.0} ns a record", sink / bare, per_record(sink));
    sink / bare
}

/// Batches as a lane hands them over: alerts of some two kilobytes, no two alike.
fn records() -> Vec<Arc<[Record]>> {
    let alert_record = |number: usize| Record {
        id: (number as u128).to_be_bytes(),
        tenant: Arc::from("contoso"),
        time: DateTime::from_timestamp_millis(1_793_491_509_123 + number as i64).expect("a time in range"),
        payload: Bytes::from(alert(number)),
        ..record("")
    };
    let all: Vec<Record> = (0..*RECORDS).map(alert_record).collect();
    all.chunks(BATCH).map(Arc::from).collect()
}

fn alert(number: usize) -> String {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut evidence = String::new();
    for place in 0..3 {
        let (sha1, process) = (random.u128(..), random.u32(..65_536));
        let comma = if place == 0 { "" } else { "," };
        evidence.push_str(&format!(
            "{comma}{{\"entityType\":\"Process\",\"sha1\":\"{sha1:040x}\",\"fileName\":\"powershell.exe\",\"filePath\":\
             \"C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\",\"processId\":{process},\
             \"processCommandLine\":\"powershell.exe -NoProfile -EncodedCommand {:x}\",\"accountName\":\"user{}\",\
             \"domainName\":\"CONTOSO\"}}",
            random.u128(..),
            random.u16(..)
        ));
    }
    format!(
        "{{\"id\":\"da{:x}_{number}\",\"incidentId\":{number},\"severity\":\"Medium\",\"status\":\"New\",\
         \"detectionSource\":\"WindowsDefenderAtp\",\"category\":\"Execution\",\"title\":\"Suspicious PowerShell command \
         line\",\"description\":\"A suspicious PowerShell activity was observed on the machine. This behavior may \
         indicate that PowerShell was used during installation, exploration, or in some cases in lateral movement \
         activities which are used by attackers to invoke modules, download external payloads, or get more information \
         about the system.\",\"alertCreationTime\":\"2026-11-01T02:05:09.1230000Z\",\"machineId\":\"{:040x}\",\
         \"computerDnsName\":\"host{}.contoso.com\",\"evidence\":[{evidence}]}}",
        random.u64(..),
        random.u128(..),
        random.u16(..)
    )
}

fn through_the_sink(options: &HecOptions, records: &[Arc<[Record]>]) {
    runtime().block_on(async {
        let mut sink = HecSink::new(options).expect("the options are right");
        let outstanding = sink.limits().outstanding;
        let mut unanswered = 0;
        for (id, records) in (0..).zip(records) {
            if unanswered == outstanding {
                expect_settled(&mut sink).await;
                unanswered -= 1;
            }
            sink.send(Batch::new(BatchId(id), Arc::clone(records))).await.expect("a batch is taken");
            unanswered += 1;
        }
        sink.flush().await;
        for _ in 0..unanswered {
            expect_settled(&mut sink).await;
        }
    });
}

async fn expect_settled(sink: &mut HecSink) {
    let answer = sink.answer().await;
    assert!(matches!(answer.fates, Fates::Settled), "{answer:?}");
}

/// The same for both.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

/// The receiver, a process of its own.
struct Receiver {
    process: Child,
    url: Url,
}

impl Receiver {
    fn start() -> Self {
        let this = std::env::current_exe().expect("a program knows itself");
        let started = Command::new(this).arg("receive").stdout(Stdio::piped()).spawn();
        let mut process = started.expect("this program can be started again");
        let said = process.stdout.take().expect("it was piped");
        let mut url = String::new();
        BufReader::new(said).read_line(&mut url).expect("the receiver says its address");
        let url = url.trim().parse().expect("the receiver says its address");
        Self { process, url }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The CPU seconds of this process for some work, the system's part included.
fn cpu_of(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How much is measured: enough for figures, or, where `ATP_BENCH=short`, enough to see a bound broken.
fn extent<T>(full: T, short: T) -> T {
    if std::env::var_os("ATP_BENCH").is_some_and(|extent| extent == "short") { short } else { full }
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
