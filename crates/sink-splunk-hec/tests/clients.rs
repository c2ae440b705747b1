//! The stand-in against clients that others wrote: what they send to a collector it takes, and what it says they
//! understand. `splunk-logging` is Splunk's own for Node; `splunk-hec-handler` is one for Python.
//!
//! `tests/parts` installs both; a client that is not there shows nothing and says so, or fails where all parts are promised
//! (`ATP_TESTS_REQUIRE_PARTS`).

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::Path;
use std::process::Command;

use sink_splunk_hec::stand_in::{Manner, StandIn, Trick};

const NODE: &str = r#"
const { Logger } = require("splunk-logging");
const [url, token] = process.argv.slice(-2);
const logger = new Logger({ token, url, maxBatchCount: 2, maxRetries: 0 });
logger.error = (error) => { console.log("error: " + error); process.exit(3); };
const send = (number, then) =>
  logger.send({ message: { number }, metadata: { time: 1605917000.5, source: "s", sourcetype: "t", index: "i", host: "h" } }, then);
send(1);
send(2, (error, response, body) => console.log(error ? "error: " + error : `${response.statusCode} ${JSON.stringify(body)}`));
"#;

const PYTHON: &str = r#"
import logging, sys
from urllib.parse import urlparse
from splunk_hec_handler import SplunkHecHandler
url, token = urlparse(sys.argv[1]), sys.argv[2]
handler = SplunkHecHandler(url.hostname, token, port=url.port, proto=url.scheme, source="s", sourcetype="t", index="i")
logger = logging.getLogger("x")
logger.addHandler(handler)
logger.error({"number": 1, "time": 1605917000.5, "fields": {"colour": "yellow", "sizes": ["1", "2"]}})
print("sent")
"#;

/// Runs a client and returns what it says, or nothing where it is not installed.
async fn say(mut client: Command) -> String {
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn node(stand_in: &StandIn, token: &str) -> Option<Command> {
    let modules = std::env::var_os("ATP_PARTS").map(|parts| Path::new(&parts).join("node_modules"));
    let modules = found("splunk-logging", modules.filter(|modules| modules.join("splunk-logging").is_dir()))?;
    let mut client = Command::new("node");
    client.env("NODE_PATH", modules).args(["-e", NODE, stand_in.url().as_str().trim_end_matches('/'), token]);
    Some(client)
}

fn python(stand_in: &StandIn, token: &str) -> Option<Command> {
    let python = std::env::var_os("ATP_PYTHON").filter(|python| {
        let imported = Command::new(python).args(["-c", "import splunk_hec_handler"]).output();
        imported.is_ok_and(|output| output.status.success())
    });
    let mut client = Command::new(found("splunk-hec-handler", python)?);
    client.args(["-c", PYTHON, stand_in.url().as_str(), token]);
    Some(client)
}

fn found<T>(name: &str, part: Option<T>) -> Option<T> {
    if part.is_none() {
        let promised = std::env::var_os("ATP_TESTS_REQUIRE_PARTS").is_some();
        assert!(!promised, "{name} is not there, though all parts are promised");
        println!("not shown: {name} is not installed; ./tests/run installs it");
    }
    part
}

/// Guarantee: Splunk's own client is understood and understands: batches, success, a refused token, a busy collector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_in_speaks_with_splunk_logging() {
    let stand_in = StandIn::start(Manner::default()).await;
    let Some(client) = node(&stand_in, "token") else { return };
    assert_eq!(say(client).await.trim(), r#"200 {"text":"Success","code":0}"#);
    let events: Vec<_> = stand_in.events();
    assert_eq!(events.len(), 2);
    for (number, event) in (1..).zip(&events) {
        assert!(event.event.contains(&format!("{{\"number\":{number}}}")), "{event:?}");
        let words = [&event.source, &event.sourcetype, &event.index, &event.host].map(|word| word.as_deref().unwrap());
        assert_eq!((words, event.time.as_str()), (["s", "t", "i", "h"], "\"1605917000.500\""));
        assert_eq!(event.request, 1, "both came in one request");
    }
    let refused = say(node(&stand_in, "another").unwrap()).await;
    assert!(refused.contains("Invalid token"), "{refused}");
    stand_in.play(Trick::code(503, 9));
    let busy = say(node(&stand_in, "token").unwrap()).await;
    assert!(busy.starts_with("error:"), "{busy}");
    assert_eq!(stand_in.events().len(), 2);
}

/// Guarantee: a client of others is understood and understands: metadata, fields, success, a refused token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stand_in_speaks_with_splunk_hec_handler() {
    let stand_in = StandIn::start(Manner::default()).await;
    let Some(client) = python(&stand_in, "token") else { return };
    assert_eq!(say(client).await.trim(), "sent");
    let [event] = &stand_in.events()[..] else { panic!("one event") };
    assert!(event.event.contains("\"number\": 1"), "{event:?}");
    assert_eq!(event.time, "1605917000.5");
    assert_eq!((&event.fields["colour"], &event.fields["sizes"][1]), (&"yellow".into(), &"2".into()));
    let refused = say(python(&stand_in, "another").unwrap()).await;
    assert!(refused.contains("403"), "{refused}");
    assert_eq!(stand_in.events().len(), 1);
}
