use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::*;

fn command(argv: &[&str]) -> SecretCommand {
    SecretCommand {
        argv: argv.iter().map(|part| (*part).to_owned()).collect(),
        folder: PathBuf::from("/"),
        refresh: Duration::from_secs(3600),
    }
}

fn file(folder: &Path, name: &str) -> SecretSource {
    SecretSource::File(SecretFile { path: PathBuf::from(name), folder: folder.to_owned() })
}

fn text_of(source: &SecretSource) -> String {
    source.read().unwrap().expose_secret().to_owned()
}

fn error_of(source: &SecretSource) -> String {
    WithCause(&source.read().unwrap_err()).to_string()
}

/// A file gives its text without the line break that editors leave behind, and nothing else is cut from it.
#[test]
fn a_file_loses_its_trailing_line_break_only() {
    let folder = tempfile::tempdir().unwrap();
    for (written, read) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s3cret ", " s3cret ")] {
        std::fs::write(folder.path().join("secret"), written).unwrap();
        assert_eq!(text_of(&file(folder.path(), "secret")), read);
    }
}

/// A file is read when it is asked for, so that a rotated secret is the new one.
#[test]
fn a_file_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "secret");
    assert!(error_of(&source).starts_with("failed to read file "), "{}", error_of(&source));
    std::fs::write(folder.path().join("secret"), "old").unwrap();
    assert_eq!(text_of(&source), "old");
    std::fs::write(folder.path().join("secret"), "new").unwrap();
    assert_eq!(text_of(&source), "new");
}

/// A relative path is looked up beside the pipeline file first, then among the service's credentials.
#[test]
fn a_relative_file_is_also_looked_up_among_the_credentials() {
    let (folder, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = SecretFile { path: PathBuf::from("secret"), folder: folder.path().to_owned() };
    let (first, second) = (folder.path().join("secret"), credentials.path().join("secret"));
    assert_eq!(secret.found(Some(credentials.path())), first, "the error names the first folder");
    std::fs::write(&second, "from systemd").unwrap();
    assert_eq!(secret.found(Some(credentials.path())), second);
    assert_eq!(secret.found(None), first);
    std::fs::write(&first, "from beside").unwrap();
    assert_eq!(secret.found(Some(credentials.path())), first);
}

/// What is empty, no text or endless is an error that names the reference and not the content.
#[test]
fn useless_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    std::fs::write(folder.path().join("bytes"), [0xff, 0xfe]).unwrap();
    for (source, end) in [
        (file(folder.path(), "empty"), "/empty is empty"),
        (file(folder.path(), "bytes"), "/bytes is not UTF-8 text"),
        (file(Path::new("/dev"), "zero"), "file /dev/zero is too long for a secret"),
    ] {
        assert!(error_of(&source).ends_with(end), "{}", error_of(&source));
    }
}

/// An environment variable is read by its name; one that is not set is named.
#[test]
fn an_environment_variable_is_read() {
    assert_eq!(text_of(&SecretSource::Env("CARGO_PKG_NAME".to_owned())), "pipeline-file");
    let missing = SecretSource::Env("ATP_NO_SUCH_VARIABLE".to_owned());
    assert_eq!(error_of(&missing), "environment variable ATP_NO_SUCH_VARIABLE is not set");
}

/// A command's output is the secret, without the white space around it.
#[test]
fn a_command_prints_the_secret() {
    let source = SecretSource::Command(command(&["/bin/echo", "  s3cret  "]));
    assert_eq!(text_of(&source), "s3cret");
    assert_eq!(source.refresh(), Some(Duration::from_secs(3600)));
}

/// Every way a command can fail is told apart, and none of them repeats its arguments or its output.
#[test]
fn a_failing_command_says_how() {
    let cases: [(&[&str], &str); 4] = [
        (&["/bin/sh", "-c", "echo CANARY; exit 3"], "command /bin/sh failed: exit status: 3"),
        (&["/bin/sh", "-c", ": CANARY"], "what command /bin/sh printed is empty"),
        (
            &["/no/such/program", "CANARY"],
            "failed to run command /no/such/program: No such file or directory (os error 2)",
        ),
        (&["/bin/cat", "/dev/zero"], "what command /bin/cat printed is too long for a secret"),
    ];
    for (argv, expected) in cases {
        let source = SecretSource::Command(command(argv));
        assert_eq!(error_of(&source), expected);
        assert!(!format!("{source:?}").contains("CANARY"));
    }
}

/// A command that does not end is killed when its time is over, whether or not it closed its output.
#[test]
fn a_command_has_a_time_limit() {
    for script in ["exec sleep 600", "exec >&-; exec sleep 600"] {
        let error = command(&["/bin/sh", "-c", script]).read_within(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, SecretError::TimeOver(..)), "{error:?}");
    }
}

/// Of several sources the first that gives a secret counts, and when none does the reason of each is told.
#[test]
fn several_sources_are_tried_in_turn() {
    let missing = SecretSource::Env("ATP_NO_SUCH_VARIABLE".to_owned());
    let there = SecretSource::Env("CARGO_PKG_NAME".to_owned());
    assert_eq!(text_of(&SecretSource::FirstOf(vec![missing.clone(), there])), "pipeline-file");
    let none = SecretSource::FirstOf(vec![missing, file(Path::new("/no/such"), "secret")]);
    assert_eq!(
        error_of(&none),
        "none of 2 sources gave a secret; environment variable ATP_NO_SUCH_VARIABLE is not set; \
         failed to read file /no/such/secret: No such file or directory (os error 2)"
    );
}
