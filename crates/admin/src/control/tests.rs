use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StandardListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;

/// Writes down what it is told to do, and does it once it is let.
struct Instance {
    told: Mutex<Vec<String>>,
    may_go_on: Semaphore,
}

#[async_trait]
impl Control for Instance {
    async fn reload(&self, confirm: bool) -> Outcome {
        self.told.lock().unwrap().push(format!("reload {confirm}"));
        let _turn = self.may_go_on.acquire().await;
        Outcome { code: 0, lines: vec!["sink siem: changed".to_owned()] }
    }

    async fn skip(&self, sink: &str, why: &str) -> Outcome {
        self.told.lock().unwrap().push(format!("skip {sink} {why}"));
        assert_ne!(sink, "breaks", "this command is meant to panic");
        Outcome { code: 1, lines: vec![format!("no sink is named {sink}")] }
    }
}

/// A served socket in a folder.
struct Served {
    instance: Arc<Instance>,
    serving: JoinHandle<()>,
}

fn serve(folder: &Path) -> Served {
    let instance = Arc::new(Instance { told: Mutex::default(), may_go_on: Semaphore::new(1) });
    let server = Server::bind(folder).unwrap();
    let control: Arc<dyn Control> = instance.clone();
    let serving = tokio::spawn(async { match server.serve(control).await {} });
    Served { instance, serving }
}

impl Served {
    fn told(&self) -> Vec<String> {
        self.instance.told.lock().unwrap().clone()
    }

    async fn end(self) {
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
    }
}

fn audit(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("control.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// All that is answered to these bytes.
async fn ask(folder: &Path, request: &str) -> String {
    let mut socket = UnixStream::connect(folder.join("control.sock")).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Guarantee: a command reaches the instance with its arguments, and its outcome comes back; the audit log has by then who
/// gave it, what and when, and what came of it. Nobody else can reach the socket or read the log.
#[tokio::test]
async fn commands_are_carried_out_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path());
    let why = "line\nbreak \u{1b}[2J";
    let reloaded = Client::connect(folder.path()).await.unwrap().reload(true).await.unwrap();
    let skipped = Client::connect(folder.path()).await.unwrap().skip("old", why).await.unwrap();
    assert_eq!(reloaded, Outcome { code: 0, lines: vec!["sink siem: changed".to_owned()] });
    assert_eq!(skipped, Outcome { code: 1, lines: vec!["no sink is named old".to_owned()] });
    assert_eq!(served.told(), ["reload true".to_owned(), format!("skip old {why}")]);

    let [reload, skip] = audit(folder.path()).try_into().unwrap();
    assert_eq!((&reload["command"], &reload["arguments"]["confirm"]), (&"reload".into(), &true.into()));
    assert_eq!((&skip["arguments"]["sink"], &skip["arguments"]["why"]), (&"old".into(), &why.into()));
    assert_eq!((&skip["code"], &skip["lines"][0]), (&1.into(), &"no sink is named old".into()));
    let uid = fs::metadata(folder.path()).unwrap().uid();
    assert_eq!((&skip["uid"], &skip["pid"]), (&uid.into(), &std::process::id().into()));
    assert!(skip["time"].as_str().unwrap().ends_with('Z'), "{skip}");
    for name in ["control.sock", "control.log"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    served.end().await;
}

/// Guarantee: a folder without an instance, before and after one, is told from one that cannot be reached.
#[tokio::test]
async fn nobody_listens_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for nobody in [folder.path(), &missing] {
        assert!(matches!(Client::connect(nobody).await, Err(ClientError::NobodyListens)));
    }
    serve(folder.path()).end().await;
    assert!(matches!(Client::connect(folder.path()).await, Err(ClientError::NobodyListens)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the socket is removed");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Client::connect(&file).await, Err(ClientError::Unreachable(_))));
}

/// Guarantee: what a process that was killed has left, while it served or while it made its socket, is replaced.
#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let making = folder.path().join("control.making");
    fs::create_dir(&making).unwrap();
    drop(StandardListener::bind(making.join("control.sock")).unwrap());
    drop(StandardListener::bind(folder.path().join("control.sock")).unwrap());
    assert!(matches!(Client::connect(folder.path()).await, Err(ClientError::NobodyListens)));

    let served = serve(folder.path());
    assert_eq!(Client::connect(folder.path()).await.unwrap().reload(false).await.unwrap().code, 0);
    assert!(!making.exists());
    served.end().await;
}

/// Guarantee: a state folder may be deeper than the 108 bytes that the path of a socket has.
#[tokio::test]
async fn a_deep_folder_is_no_trouble() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("d".repeat(200));
    fs::create_dir(&folder).unwrap();
    let served = serve(&folder);
    assert_eq!(Client::connect(&folder).await.unwrap().reload(false).await.unwrap().code, 0);
    served.end().await;
    assert!(!folder.join("control.sock").exists());
}

/// Guarantee: what is no command, or too long, is refused and changes nothing.
#[tokio::test]
async fn what_is_no_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path());
    let request = |line: &str, body: &str| {
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let confirm = "{\"confirm\":false}";
    let long = format!("{{\"sink\":\"a\",\"why\":\"{}\"}}", "a".repeat(20_000));
    for (line, body, status) in [
        ("POST /v2/reload", confirm, "404"),
        ("POST /v1/restart", confirm, "404"),
        ("GET /v1/reload", "", "405"),
        ("POST /v1/reload", "{}", "422"),
        ("POST /v1/reload", "{\"confirm\":true,\"force\":true}", "422"),
        ("POST /v1/reload", "confirm", "400"),
        ("POST /v1/skip", long.as_str(), "413"),
    ] {
        let answer = ask(folder.path(), &request(line, body)).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line} {body}: {answer}");
    }
    assert!(served.told().is_empty() && audit(folder.path()).is_empty(), "{:?}", served.told());
    let why = "a".repeat(20_000);
    let refused = Client::connect(folder.path()).await.unwrap().skip("a", &why).await;
    assert!(matches!(refused, Err(ClientError::NotUnderstood(_))), "{refused:?}");
    served.end().await;
}

/// Guarantee: a command whose caller goes away is carried out to its end and noted; so is one that fails inside.
#[tokio::test]
async fn every_command_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path());
    let turn = served.instance.may_go_on.acquire().await.unwrap();
    let caller = tokio::spawn(Client::connect(folder.path()).await.unwrap().reload(false));
    while served.told().is_empty() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    drop(turn);
    while audit(folder.path()).is_empty() {
        tokio::task::yield_now().await;
    }

    let broken = Client::connect(folder.path()).await.unwrap().skip("breaks", "test").await.unwrap();
    assert_eq!(broken.code, 1);
    let codes: Vec<_> = audit(folder.path()).iter().map(|line| line["code"].clone()).collect();
    assert_eq!(codes, [0, 1]);
    served.end().await;
}

/// Guarantee: a log that cannot be written, on a full disk, forbids no command, and its caller reads of it.
#[tokio::test]
async fn a_log_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("control.log")).unwrap();
    let served = serve(folder.path());
    let outcome = Client::connect(folder.path()).await.unwrap().reload(false).await.unwrap();
    assert_eq!((outcome.code, outcome.lines.len()), (0, 2));
    assert!(outcome.lines[1].starts_with("warning: the audit log"), "{outcome:?}");
    served.end().await;
}
