//! What a record costs the syslog sink, beside what it costs a bare client.
//!
//! The baseline, *bare client*: blocking sockets of the standard library, the same framing, the same send buffer of the
//! socket, writes of 64 KiB, and over RELP the same window; no account of anything. Both send the same messages, rendered
//! to the last byte, in turns to the same receiver, which is a process of its own; what counts is the CPU time of this
//! process. Exits 1 where the sink costs more than 1.3 times the baseline on any transport. What an RFC 5424 header made
//! for each record adds is printed beside it.
//!
//! `cargo bench -p sink-syslog`

mod bare;
mod receive;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use chrono::DateTime;
use sink::suite::record;
use sink::{Batch, BatchId, Fates, Record, Sink};
use sink_syslog::{Address, Framing, Header, MessageOptions, Spread, SyslogOptions, SyslogSink, TlsOptions, Transport};

const LIMIT: f64 = 1.3;
static ROUNDS: LazyLock<usize> = LazyLock::new(|| extent(5, 3));
static RECORDS: LazyLock<usize> = LazyLock::new(|| extent(1_000_000, 300_000));
/// About the CEF of an alert.
const PAYLOAD: usize = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, kind, folder] = &arguments[..]
        && command == "receive"
    {
        receive::receive(kind, Path::new(folder));
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let records = records();
    println!("{} records of {PAYLOAD} bytes, {} rounds in turns, CPU time of this process", *RECORDS, *ROUNDS);
    let all = [("TCP", Transport::Tcp), ("TLS", Transport::Tls), ("RELP", Transport::Relp)];
    let mut beyond = false;
    for (name, transport) in all {
        let ratio = compare(name, transport, &records, folder.path());
        beyond |= ratio > LIMIT;
    }
    if beyond {
        println!("the sink costs more than {LIMIT} times a bare client");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints what both cost over a transport, and returns their ratio.
fn compare(name: &str, transport: Transport, records: &[Arc<[Record]>], folder: &Path) -> f64 {
    let receiver = Receiver::start(transport, folder);
    let [mut bare_cost, mut sink_cost, mut header_cost] = [const { Vec::new() }; 3];
    for _ in 0..*ROUNDS {
        bare_cost.push(cpu_of(|| bare::send(transport, receiver.port, records, folder)));
        let through = |header| cpu_of(|| through_the_sink(transport, header, &receiver, records, folder));
        sink_cost.push(through(Header::None));
        header_cost.push(through(Header::Rfc5424));
    }
    let [bare, sink, header] = [bare_cost, sink_cost, header_cost].map(median);
    let per_record = |cost: f64| cost * 1e9 / *RECORDS as f64;
    println!("{name:<5} bare client  1.00 x {:>6.0} ns a record", per_record(bare));
    println!("{name:<5} the sink     {:.2} x {:>6.0} ns a record", sink / bare, per_record(sink));
    println!("{name:<5}  with header {:.2} x {:>6.0} ns a record", header / bare, per_record(header));
    sink / bare
}

/// Batches as a lane hands them over.
fn records() -> Vec<Arc<[Record]>> {
    let payload = Bytes::from(format!("CEF:0|Microsoft|Windows Defender ATP|{}", "x".repeat(PAYLOAD - 37)));
    let alert = |number: usize| Record {
        id: (number as u128).to_be_bytes(),
        tenant: Arc::from("contoso"),
        time: DateTime::from_timestamp_millis(1_793_491_509_123 + number as i64).expect("a time in range"),
        payload: payload.clone(),
        ..record("")
    };
    let all: Vec<Record> = (0..*RECORDS).map(alert).collect();
    all.chunks(64).map(Arc::from).collect()
}

fn through_the_sink(
    transport: Transport,
    header: Header,
    receiver: &Receiver,
    records: &[Arc<[Record]>],
    folder: &Path,
) {
    let options = SyslogOptions {
        transport,
        addresses: vec![Address { host: "127.0.0.1".to_owned(), port: receiver.port }],
        spread: Spread::Failover,
        reconnect: None,
        message: MessageOptions {
            header,
            framing: Framing::OctetCounting,
            facility: syslog::Facility::LOG_LOCAL4,
            app_name: "atp-forwarder".to_owned(),
            message_id: None,
            structured_data: true,
            timezone: chrono_tz::UTC,
            hosts: HashMap::from([("contoso".to_owned(), "atp-contoso".to_owned())]),
            max_bytes: None,
        },
        tls: TlsOptions { ca: Some(folder.join("ca.pem")), ..TlsOptions::default() },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let mut sink = SyslogSink::new(&options).expect("the options are right");
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

async fn expect_settled(sink: &mut SyslogSink) {
    let answer = sink.answer().await;
    assert!(matches!(answer.fates, Fates::Settled), "{answer:?}");
}

/// The receiver, a process of its own.
struct Receiver {
    process: Child,
    port: u16,
}

impl Receiver {
    fn start(transport: Transport, folder: &Path) -> Self {
        let this = std::env::current_exe().expect("a program knows itself");
        let mut command = Command::new(this);
        command.arg("receive").arg(format!("{transport:?}")).arg(folder).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program can be started again");
        let said = process.stdout.take().expect("it was piped");
        let mut port = String::new();
        BufReader::new(said).read_line(&mut port).expect("the receiver says its port");
        let port = port.trim().parse().expect("the receiver says its port");
        Self { process, port }
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
