//! What is in a topic, as clients of two makes see it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Kafka, run};
use crate::process::Running;

/// A record as kcat read it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct KafkaRecord {
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Its time, milliseconds since 1970.
    #[serde(rename = "ts")]
    pub time: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its headers, names and values in turn.
    #[serde(default)]
    headers: Vec<String>,
    /// Its value.
    #[serde(rename = "payload")]
    pub value: String,
}

impl KafkaRecord {
    /// Its headers, names and values in turn.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// The value of a header.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
        value.unwrap_or_else(|| panic!("no header {name}: {self:?}"))
    }
}

impl Kafka {
    /// Reads every committed record of a topic with kcat, partition by partition and each in its order.
    ///
    /// # Panics
    /// Where kcat fails or a record is not text.
    pub fn read(&self, topic: &str, mut each: impl FnMut(KafkaRecord)) {
        for partition in 0..self.partitions(topic) {
            self.read_partition(topic, partition, &mut each);
        }
    }

    fn read_partition(&self, topic: &str, partition: usize, each: &mut impl FnMut(KafkaRecord)) {
        let mut command = self.kcat();
        command.args(["-C", "-J", "-e", "-o", "beginning", "-t", topic, "-p", &partition.to_string()]);
        command.args(["-X", "isolation.level=read_committed", "-X", "check.crcs=true"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kcat can be started");
        let lines = BufReader::with_capacity(1 << 20, child.stdout.take().expect("its output is read"));
        for line in lines.lines() {
            let line = line.expect("kcat writes UTF-8");
            each(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
        assert!(child.wait().expect("a child can be waited for").success(), "kcat failed to read {topic}");
    }

    /// The partition and offset of every committed record of a topic as Kafka's own consumer sees them, which shares no
    /// code with kcat, sorted. It stops at so many as are expected, since it does not know a topic's end.
    ///
    /// # Panics
    /// Where the consumer fails.
    pub fn read_with_java(&self, topic: &str, expected: usize) -> Vec<(i32, i64)> {
        let mut command = self.programs.java("org.apache.kafka.tools.consumer.ConsoleConsumer");
        command.args(["--bootstrap-server", &self.addresses(), "--topic", topic, "--from-beginning"]);
        command.args(["--isolation-level", "read_committed", "--max-messages", &expected.to_string()]);
        // It gives up after so long without a record, the time to join a group included.
        command.args(["--timeout-ms", "60000"]);
        for shown in ["print.partition=true", "print.offset=true", "print.value=false"] {
            command.args(["--formatter-property", shown]);
        }
        let place = |line: &str| {
            let (partition, offset) = line.strip_prefix("Partition:")?.split_once("\tOffset:")?;
            Some((partition.parse().ok()?, offset.parse().ok()?))
        };
        let mut places: Vec<_> = run(command).lines().filter_map(place).collect();
        places.sort_unstable();
        places
    }

    /// How far the partitions of a topic have come, together; what is not committed and markers of transactions count as
    /// well. Where a partition has no leader yet, as after a start, it asks again.
    ///
    /// # Panics
    /// Where no broker answers for two minutes.
    pub fn written(&self, topic: &str) -> usize {
        self.ends(topic, "read_uncommitted")
    }

    /// As [`Kafka::written`], but each partition only as far as no transaction is open.
    ///
    /// # Panics
    /// As [`Kafka::written`].
    pub fn committed(&self, topic: &str) -> usize {
        self.ends(topic, "read_committed")
    }

    fn ends(&self, topic: &str, isolation: &str) -> usize {
        let mut command = self.kcat();
        command.args(["-Q", "-X", &format!("isolation.level={isolation}")]);
        let partitions = self.partitions(topic);
        for partition in 0..partitions {
            command.args(["-t", &format!("{topic}:{partition}:-1")]);
        }
        let started = Instant::now();
        loop {
            let output = command.output().expect("kcat can be started");
            let (offsets, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let known: Option<Vec<usize>> = offsets.lines().map(offset).collect();
            if let Some(known) = known.filter(|known| output.status.success() && known.len() == partitions) {
                return known.into_iter().sum();
            }
            let in_time = started.elapsed() < Duration::from_secs(120);
            assert!(in_time, "no broker tells the offsets of {topic}: {offsets}{errors}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn partitions(&self, topic: &str) -> usize {
        *self.topics.get(topic).expect("the topic was made")
    }

    /// Starts Kafka's own producer, which writes letters in a transaction of this id that it does not commit for minutes.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn open_transaction(&self, topic: &str, id: &str) -> Running {
        let mut command = self.programs.java("org.apache.kafka.tools.ProducerPerformance");
        command.args(["--bootstrap-server", &self.addresses(), "--topic", topic, "--record-size", "100"]);
        command.args(["--num-records", "1000000", "--throughput", "200"]);
        command.args(["--transactional-id", id, "--transaction-duration-ms", "600000"]);
        Running::start(command.stdout(Stdio::null()), &self.folder.join(format!("transaction.{id}")))
    }

    /// Starts a kcat that writes each line of its input as a record and ends with it. `settings` are librdkafka's, each
    /// as `name=value`; with a `transactional.id` all is one transaction, begun once the input has ended.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn writer(&self, topic: &str, header: &str, settings: &[&str]) -> Writer {
        let mut command = self.kcat();
        // It would end once no broker can be reached (-E).
        command.args(["-P", "-E", "-t", topic, "-H", header, "-X", "enable.idempotence=true"]);
        settings.iter().for_each(|setting| {
            command.args(["-X", setting]);
        });
        Writer(command.stdin(Stdio::piped()).spawn().expect("kcat can be started"))
    }
}

/// A kcat that writes records. It is killed when this is dropped.
#[derive(Debug)]
pub struct Writer(Child);

impl Writer {
    /// Hands it lines.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn write(&mut self, lines: impl IntoIterator<Item = String>) {
        let input = self.0.stdin.as_mut().expect("its input is open");
        for line in lines {
            writeln!(input, "{line}").expect("kcat reads its input");
        }
        input.flush().expect("kcat reads its input");
    }

    /// Ends its input and waits until all is acknowledged.
    ///
    /// # Panics
    /// Where something was not.
    pub fn finish(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("a child can be waited for").success(), "kcat failed to write");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It has ended by itself, or was to be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of a line `topic [partition] offset N`; `None` where the partition has no leader, as a text behind it says.
fn offset(line: &str) -> Option<usize> {
    line.rsplit(' ').next()?.parse().ok()
}
