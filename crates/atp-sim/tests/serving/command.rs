//! The command.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use atp_sim::Record;

/// It prints a pipeline file that reads it, and writes its record when it is told to end.
#[test]
fn prints_a_pipeline_file_and_leaves_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_atp-sim"));
    command.args(["--listen", "127.0.0.1:0", "--export-listen", "127.0.0.1:0", "--backlog", "7", "--per-minute", "0"]);
    command.args(["--tenant", "contoso", "--tenant", "fabrikam", "--fault", "cut", "--record"]).arg(&file);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let printed: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("sinks:")).collect();
    for expected in ["version: 1", "  contoso:", "  fabrikam:", "sources:"] {
        assert!(printed.iter().any(|line| line == expected), "{expected}");
    }
    assert!(printed.iter().any(|line| line.starts_with("# export ATP_SIM_SECRET_FABRIKAM='")));
    let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
    let record: Record = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(record.feed("fabrikam", "mde_alerts").unwrap().shown.len(), 7);
}

/// A fault that does not exist is refused.
#[test]
fn refuses_unknown_faults() {
    let refused = Command::new(env!("CARGO_BIN_EXE_atp-sim")).args(["--fault", "gremlin"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no fault 'gremlin'"));
}
