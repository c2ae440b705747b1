//! What a process costs: time on a CPU, memory.

use std::fs;
use std::time::{Duration, Instant};

use crate::process::{Finished, Running};

/// What a process has cost from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Time on a CPU, of all its threads, the system's work for it included; in steps of 10 ms.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
    /// The most memory that it held at once, in bytes.
    pub peak: u64,
}

/// Memory that a process holds, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// The most so far.
    pub peak: u64,
}

impl Running {
    /// Waits for it to end by itself and counts what it has cost.
    ///
    /// # Panics
    /// Where it does not end within `within`.
    pub fn finish_counting(self, within: Duration) -> (Finished, Cost) {
        let started = Instant::now();
        let mut peak = 0;
        // A process that has ended keeps its times until it is waited for, and has no memory any more.
        while !has_ended(self.id()) {
            assert!(started.elapsed() < within, "the program did not end within {within:?}:\n{}", self.log());
            peak = self.memory().peak.max(peak);
            std::thread::sleep(Duration::from_millis(5));
        }
        let (wall, cpu) = (started.elapsed(), cpu(self.id()));
        (self.finish(within), Cost { cpu, wall, peak })
    }

    /// The memory that it holds.
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        Memory { now: bytes("VmRSS").unwrap_or(0), peak: bytes("VmHWM").unwrap_or(0) }
    }
}

/// The time that the main thread of this process has been on a CPU.
///
/// # Panics
/// Where the system does not tell.
pub fn own_cpu() -> Duration {
    let text = fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process its CPU time");
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("schedstat begins with nanoseconds"))
}

/// The middle one of an odd number of figures.
///
/// # Panics
/// Where there is none.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn has_ended(id: u32) -> bool {
    stat(id).first().is_some_and(|state| state == "Z")
}

fn cpu(id: u32) -> Duration {
    let stat = stat(id);
    // Fields 14 and 15 of proc(5), in hundredths of a second for every Linux program; the state is the third.
    let ticks: u64 = stat[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("times are numbers")).sum();
    Duration::from_millis(ticks * 10)
}

/// The fields of `/proc/ID/stat` from the state on. The name before it may hold anything.
fn stat(id: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).expect("a child is there until it is waited for");
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().map(str::to_owned).collect()
}
