//! The readers, each a program of its own that lines are handed to.

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `lognormalizer` of Debian's liblognorm-utils makes of lines of CEF; `None` where it is not there.
pub(super) fn lognormalizer(lines: &[String]) -> Option<Vec<Value>> {
    let rules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cef.rulebase");
    std::fs::write(&rules, "version=2\nrule=:%f:cef%\n").expect("cargo's folder for tests can be written to");
    let mut command = Command::new("lognormalizer");
    command.arg("-r").arg(rules).args(["-e", "json"]);
    ask(command, lines, "lognormalizer of liblognorm-utils")
}

/// What a program of ours in Python makes of lines; `None` where `ATP_PYTHON` names no interpreter.
pub(super) fn python(program: &str, lines: &[String]) -> Option<Vec<Value>> {
    let interpreter = named("ATP_PYTHON", "a Python with cefp 0.0.2")?;
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(program));
    ask(command, lines, "Python")
}

/// What Tenzir makes of lines; `None` where `ATP_TENZIR` does not name it.
pub(super) fn tenzir(parser: &str, lines: &[String]) -> Option<Vec<Value>> {
    let program = named_in_full("ATP_TENZIR", "Tenzir 6.20")?;
    let mut command = Command::new(program);
    command
        .arg(format!("from_stdin {{ read_lines }} | this = {{read: line.{parser}()}} | to_stdout {{ write_ndjson }}"));
    ask(command, lines, "Tenzir")
}

/// Hands lines to a program and takes one value of JSON for each.
fn ask(mut command: Command, lines: &[String], name: &str) -> Option<Vec<Value>> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => return missing(name),
        spawned => spawned.expect("a program that is there starts"),
    };
    let mut input = child.stdin.take().expect("it was asked for");
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("a program that was started ends");
    writer.join().expect("writing does not panic").expect("the program reads all lines");
    assert!(output.status.success(), "{name} ended with {}", output.status);
    let answers = output.stdout.split(|&byte| byte == b'\n').filter(|answer| !answer.is_empty());
    Some(answers.map(|answer| serde_json::from_slice(answer).expect("an answer is JSON")).collect())
}

fn named(variable: &str, name: &str) -> Option<OsString> {
    std::env::var_os(variable).or_else(|| missing(&format!("{variable}, {name},")))
}

/// As [`named`], for what the long run alone has.
fn named_in_full(variable: &str, name: &str) -> Option<OsString> {
    if std::env::var_os("ATP_TESTS_FULL").is_some_and(|full| full == "yes") {
        return named(variable, name);
    }
    std::env::var_os(variable)
}

/// Says that a reader is not asked, past the harness that would keep it to itself; fails where all must be.
fn missing<T>(name: &str) -> Option<T> {
    let required = std::env::var_os("ATP_TESTS_REQUIRE_PARTS").is_some_and(|required| required == "1");
    assert!(!required, "{name} is missing, and ATP_TESTS_REQUIRE_PARTS asks for it");
    writeln!(std::io::stderr(), "skipped: {name} is missing").expect("standard error can be written to");
    None
}
