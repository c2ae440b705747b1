//! What a record costs the Kafka sink, beside what it costs a bare idempotent producer.
//!
//! The baseline, *bare producer*: librdkafka's producer with the same settings, the same key and headers, and as many
//! records on their way, idempotent or in transactions of as many records; no account of anything but their number. Both
//! send the same payloads in turns to the same mock cluster, which is a process of its own; what counts is the CPU time
//! of this process, librdkafka's threads included. Exits 1 where the sink costs more than 1.3 times the baseline.
//!
//! `cargo bench -p sink-kafka`

mod bare;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use rdkafka::mocking::MockCluster;
use sink::suite::record;
use sink::{Batch, BatchId, Fates, Mark, Record, Sink};
use sink_kafka::{KafkaOptions, Key, Profile, Transactions};

const LIMIT: f64 = 1.3;
static ROUNDS: LazyLock<usize> = LazyLock::new(|| extent(5, 3));
static RECORDS: LazyLock<usize> = LazyLock::new(|| extent(200_000, 40_000));
/// Records in a batch, and on their way, as the sink's limits have them.
const BATCH: usize = 500;
const WINDOW: usize = 8 * BATCH;
/// About the CEF of an alert.
const PAYLOAD: usize = 1_000;
const TOPIC: &str = "alerts";
const MARKS_TOPIC: &str = "marks";
/// Records in a transaction, as the transactional sink's limits have them.
const TRANSACTION: usize = 2_000;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("receive") {
        receive();
        return ExitCode::SUCCESS;
    }
    let cluster = Cluster::start();
    println!("{} records of {PAYLOAD} bytes, {} rounds in turns, CPU time of this process", *RECORDS, *ROUNDS);
    let batches = records(BATCH);
    let idempotent = compare(
        "idempotent",
        || bare::send(&cluster.brokers, &batches),
        || through_the_sink(&options(&cluster.brokers), &batches),
    );
    let batches = records(TRANSACTION);
    let transactions = Some(Transactions { id: "bench".to_owned(), marks_topic: MARKS_TOPIC.to_owned() });
    let exactly_once = compare(
        "transactional",
        || bare::send_in_transactions(&cluster.brokers, &batches),
        || {
            through_the_sink(
                &KafkaOptions { transactions: transactions.clone(), ..options(&cluster.brokers) },
                &batches,
            )
        },
    );
    if idempotent.max(exactly_once) > LIMIT {
        println!("the sink costs more than {LIMIT} times a bare producer");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints what both cost, and returns their ratio.
fn compare(name: &str, bare: impl Fn(), sink: impl Fn()) -> f64 {
    let [mut bare_cost, mut sink_cost] = [const { Vec::new() }; 2];
    for _ in 0..*ROUNDS {
        bare_cost.push(cpu_of(&bare));
        sink_cost.push(cpu_of(&sink));
    }
    let [bare, sink] = [bare_cost, sink_cost].map(median);
    let per_record = |cost: f64| cost * 1e9 / *RECORDS as f64;
    println!("{name:<14} bare producer 1.00 x {:>6.0} ns a record", per_record(bare));
    println!("{name:<14} the sink      {:.2} x {:>6.0} ns a record", sink / bare, per_record(sink));
    sink / bare
}

/// Batches as a lane hands them over.
fn records(batch: usize) -> Vec<Arc<[Record]>> {
    let payload = Bytes::from(format!("CEF:0|Microsoft|Windows Defender ATP|{}", "x".repeat(PAYLOAD - 37)));
    let alert = |number: usize| Record {
        id: (number as u128).to_be_bytes(),
        tenant: Arc::from("contoso"),
        time: DateTime::from_timestamp_millis(1_793_491_509_123 + number as i64).expect("a time in range"),
        payload: payload.clone(),
        ..record("")
    };
    let all: Vec<Record> = (0..*RECORDS).map(alert).collect();
    all.chunks(batch).map(Arc::from).collect()
}

fn options(brokers: &str) -> KafkaOptions {
    KafkaOptions {
        brokers: vec![brokers.to_owned()],
        profile: Profile::Kafka,
        topics: HashMap::new(),
        topic: Some(TOPIC.to_owned()),
        key: Key::Tenant,
        compression: None,
        tls: None,
        sasl: None,
        client_id: "atp-forwarder".to_owned(),
        give_up_after: Duration::from_secs(120),
        flush_within: Duration::from_secs(60),
        transactions: None,
        properties: BTreeMap::new(),
    }
}

fn through_the_sink(options: &KafkaOptions, records: &[Arc<[Record]>]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let mut sink = sink_kafka::open(options).expect("the options are right");
        let outstanding = sink.limits().outstanding;
        let mut unanswered = 0;
        for (id, records) in (0..).zip(records) {
            if unanswered == outstanding {
                expect_settled(&mut *sink).await;
                unanswered -= 1;
            }
            sink.send(Batch { marks: marks(id), ..Batch::new(BatchId(id), Arc::clone(records)) })
                .await
                .expect("a batch is taken");
            unanswered += 1;
        }
        for _ in 0..unanswered {
            expect_settled(&mut *sink).await;
        }
    });
}

/// As a lane writes them. A sink that keeps none passes over it.
fn marks(id: u64) -> Arc<[Mark]> {
    let value = Bytes::copy_from_slice(&[&[7; 20][..], &id.to_be_bytes()].concat());
    Arc::new([Mark { key: Bytes::from_static(b"queue 1"), value }])
}

async fn expect_settled(sink: &mut dyn Sink) {
    let answer = sink.answer().await;
    assert!(matches!(answer.fates, Fates::Settled), "{answer:?}");
}

/// Keeps a cluster until it is killed.
fn receive() {
    let cluster = MockCluster::new(1).expect("a mock cluster can be made");
    cluster.create_topic(TOPIC, 4, 1).expect("it takes a topic");
    cluster.create_topic(MARKS_TOPIC, 1, 1).expect("it takes another");
    println!("{}", cluster.bootstrap_servers());
    loop {
        std::thread::park();
    }
}

/// The cluster, a process of its own.
struct Cluster {
    process: Child,
    brokers: String,
}

impl Cluster {
    fn start() -> Self {
        let this = std::env::current_exe().expect("a program knows itself");
        let mut command = Command::new(this);
        command.arg("receive").stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program can be started again");
        let said = process.stdout.take().expect("it was piped");
        let mut brokers = String::new();
        BufReader::new(said).read_line(&mut brokers).expect("the cluster says where it is");
        Self { process, brokers: brokers.trim().to_owned() }
    }
}

impl Drop for Cluster {
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
