//! Files that are rotated: killed, on a full disk, without their folder; one for each tenant; and what they refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use atp_sim::{Options, Population, TenantOptions};
use end_to_end::{Delivered, Place, Running, Settings, Site, count};
use serde_json::Value;

use crate::disk::SmallDisk;

/// Kills at random moments, and kills at each rename of a rotation.
const KILLS: (u32, u32) = (10, 100);
const RENAMES: (u32, u32) = (10, 50);

fn site(alerts: u32) -> (Site, Vec<TenantOptions>) {
    let tenants: Vec<TenantOptions> =
        ["contoso", "fabrikam"].map(|name| TenantOptions::named(name).with_alerts(Population::at_rest(alerts))).into();
    (Site::start(Options { tenants: tenants.clone(), ..Options::default() }), tenants)
}

/// A place whose sink `out` writes to this file, with these keys of its own.
fn place(site: &Site, tenants: &[TenantOptions], out: &str, file: &str) -> Place {
    let settings = Settings { out: out.to_owned(), ..Settings::mde("page_size: 500, start: 7d") };
    let place = Place::new(&site.simulator, tenants, &settings);
    fs::create_dir(kept(&place)).expect("the folder of the test is writable");
    rewrite(&place, "file: { path: ./out.json }", &format!("file: {{ {file} }}"));
    place
}

fn rewrite(place: &Place, from: &str, to: &str) {
    let path = place.path("pipeline.yaml");
    let text = fs::read_to_string(&path).expect("the file is there");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("the folder of the test is writable");
}

/// The folder that the sink writes into.
fn kept(place: &Place) -> PathBuf {
    place.path("kept")
}

/// Everything that stands in the files of these folders, each rotated one once: of a compressed file and its plain one,
/// which a kill has left side by side, the compressed.
fn delivered(place: &Place, folders: &[PathBuf]) -> Delivered {
    let mut files: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_none_or(|extension| extension != "part"));
    paths.sort();
    for path in paths {
        let plain = if is_compressed(&path) { path.with_extension("") } else { path.clone() };
        files.insert(plain, path);
    }
    let all: Vec<u8> = files.into_values().flat_map(|path| content(&path)).collect();
    fs::write(place.path("all.json"), all).expect("the folder of the test is writable");
    Delivered::read(&place.path("all.json"))
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}

fn content(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("the file is readable");
    let bytes = if is_compressed(path) { zstd::decode_all(&bytes[..]).expect("it is whole") } else { bytes };
    assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "the last line of {} is torn", path.display());
    bytes
}

fn rotated(place: &Place) -> usize {
    fs::read_dir(kept(place)).expect("the folder is there").count() - 1
}

/// Scenario: the process is killed again and again while it writes, rotates and compresses: at random moments, and by
/// the kernel at its n-th rename.
/// Guarantee: nothing is lost, no line is torn, and copies are at most what was in flight.
#[test]
fn kills_during_rotations_lose_nothing() {
    let (kills, renames) = (count(KILLS.0, KILLS.1), count(RENAMES.0, RENAMES.1));
    let (site, tenants) = site(300 * (kills + renames));
    let file = "path: ./kept/out.json, rotate: { size: 300KiB, compress: zstd }";
    let place = place(&site, &tenants, "max_rate: 2000/s", file);
    let mut dice = fastrand::Rng::with_seed(11);
    for kill in 0..kills {
        let log = place.path(&format!("log.{kill}"));
        let running = Running::start(&mut place.command(&["run"]), &log);
        std::thread::sleep(Duration::from_millis(dice.u64(50..400)));
        running.kill();
    }
    let mut hit = 0;
    for n in 0..renames {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(place.path("strace"));
        strace.args(["-e", "trace=rename", "-e", &format!("inject=rename:signal=KILL:when={}", 1 + n % 4)]);
        let program = place.command(&["run", "--once", "--within", "2s"]);
        strace.arg(program.get_program()).args(program.get_args());
        let finished = place.start_command(&mut strace).finish(Duration::from_secs(60));
        hit += u32::from(finished.signal() == Some(9) || finished.code().is_none_or(|code| code > 128));
    }
    place.lift_rate();
    place.start(&["run", "--once"]).finish(Duration::from_secs(120)).assert_done();
    let delivered = delivered(&place, &[kept(&place)]);
    let (summary, copies) = (site.expect_all(&delivered), delivered.copies());
    println!("{summary}; {hit} kills at renames, {copies} copies, {} rotated files", rotated(&place));
    assert!(rotated(&place) >= 10, "{} files were rotated", rotated(&place));
    assert!(hit >= RENAMES.0 / 2, "{hit} kills hit a rename");
    // At 2,000 a second a batch has at most 200 records: one in flight, and those whose settlement is under way.
    assert!(copies <= (kills + renames) as usize * 3 * 200, "{copies} copies");
}

/// Scenario: the files lie on an 8 MiB disk, more comes than fits; then somebody takes rotated files away.
/// Guarantee: the lane waits and says so, goes on by itself, nothing is lost, no line is torn.
#[test]
fn a_full_disk_makes_a_file_wait() {
    let (site, tenants) = site(4_000);
    let place = place(&site, &tenants, "", "path: ./kept/out.json, rotate: { size: 1MiB }");
    let disk = kept(&place);
    let Some(_disk) = SmallDisk::mount(&disk, "8m") else { return };
    let moved = place.path("moved");
    fs::create_dir(&moved).expect("the folder of the test is writable");
    let running = place.start(&["run"]);
    let is_full = || running.log().contains("No space left on device");
    site.wait_until("the disk is full", is_full);
    let take_away = || {
        for entry in fs::read_dir(kept(&place)).expect("the folder is there") {
            let path = entry.expect("the folder can be listed").path();
            if path.extension().is_some_and(|extension| extension != "json") {
                fs::copy(&path, moved.join(path.file_name().expect("a name"))).expect("there is room");
                fs::remove_file(path).expect("the file is there");
            }
        }
    };
    let folders = [kept(&place), moved.clone()];
    let lines = || -> usize {
        take_away();
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        files.map(|file| fs::read(file.path()).unwrap_or_default().split(|byte| *byte == b'\n').count() - 1).sum()
    };
    site.wait_until("everything has arrived", || lines() >= 8_000);
    running.terminate(Duration::from_secs(30)).assert_done();
    let delivered = delivered(&place, &folders);
    println!("{}; through a disk of 8 MiB, {} copies", site.expect_all(&delivered), delivered.copies());
    assert_eq!(delivered.copies(), 0, "what did not fit was taken back");
}

/// Scenario: the folder is moved away in the middle of a run, and made again later.
/// Guarantee: the lane says what a person must do and keeps all; the next run goes on, and nothing is lost.
#[test]
fn a_folder_that_is_gone_is_missed() {
    let (site, tenants) = site(2_000);
    let file = "path: ./kept/out.json, rotate: { size: 500KiB, compress: zstd }";
    let place = place(&site, &tenants, "max_rate: 500/s", file);
    let running = place.start(&["run", "--once"]);
    site.wait_until("something has arrived", || {
        place.path("kept/out.json").metadata().is_ok_and(|file| file.len() > 0)
    });
    let moved = place.path("moved");
    fs::rename(kept(&place), &moved).expect("the folder is ours");
    let finished = running.finish(Duration::from_secs(60));
    assert_eq!(finished.code(), Some(3), "{}", finished.log);
    assert!(finished.log.contains("Make the folder"), "{}", finished.log);
    assert!(!kept(&place).exists(), "what should be mounted there may be missing too");
    fs::create_dir(kept(&place)).expect("the folder of the test is writable");
    place.lift_rate();
    place.start(&["run", "--once"]).finish(Duration::from_secs(120)).assert_done();
    let delivered = delivered(&place, &[kept(&place), moved]);
    println!("{}; {} copies", site.expect_all(&delivered), delivered.copies());
}

/// Guarantee: with a template there is a file for each tenant, in a folder that is made for it, with its own alerts
/// alone.
#[test]
fn every_tenant_has_its_file() {
    let (site, tenants) = site(200);
    let file = "path: './kept/{{ tenant.name }}/alerts-{{ tenant.name }}.json', mode: 0600";
    let place = place(&site, &tenants, "", file);
    place.start(&["run", "--once"]).finish(Duration::from_secs(60)).assert_done();
    let folders = ["contoso", "fabrikam"].map(|tenant| kept(&place).join(tenant));
    for (tenant, folder) in ["contoso", "fabrikam"].iter().zip(&folders) {
        let text = fs::read_to_string(folder.join(format!("alerts-{tenant}.json"))).expect("the file is there");
        assert_eq!(text.lines().count(), 200);
        assert!(text.lines().all(|line| line.contains(&format!("\"{tenant}\""))), "others' alerts are among them");
    }
    site.expect_all(&delivered(&place, &folders));
}

/// Scenario: a tenant leaves the file while its alerts wait for a sink that asks for tenants by name.
/// Guarantee: they are dead letters that can be listed, shown, and replayed once the tenant is back; a running instance
/// keeps the commands out.
#[test]
fn dead_letters_are_replayed() {
    let (site, tenants) = site(30);
    let out = "only: { tenants: [contoso, fabrikam] }, max_rate: 3/s";
    let place = place(&site, &tenants, out, "path: ./kept/out.json");
    place.start(&["run", "--once", "--within", "5s"]).finish(Duration::from_secs(60));
    let whole = fs::read_to_string(place.path("pipeline.yaml")).expect("the file is there");
    let (before, behind) = whole.split_once("  fabrikam:").expect("a tenant");
    let rest = behind.split_once("sources:").expect("a section").1;
    fs::write(place.path("pipeline.yaml"), format!("{before}sources:{rest}")).expect("writable");
    rewrite(&place, "[contoso, fabrikam]", "[contoso]");
    place.lift_rate();
    place.start(&["run", "--once"]).finish(Duration::from_secs(60)).assert_done();

    let listed = letters(&place, &["list", "--sink", "out", "--json"]);
    assert!(!listed.is_empty() && listed.len() <= 30, "{listed:?}");
    assert!(listed.iter().all(|letter| letter["reason"].as_str().is_some_and(|why| why.contains("has left the file"))));
    let number = listed[0]["number"].to_string();
    assert_eq!(letters(&place, &["show", &number, "--json"])[0]["record_id"], listed[0]["record_id"]);

    fs::write(place.path("pipeline.yaml"), whole).expect("writable");
    place.lift_rate();
    let running = Running::start(&mut place.command(&["run"]), &place.path("log.running"));
    site.wait_until("it runs", || running.log().contains("a sink is open"));
    let refused = place.start(&["dead-letters", "list"]).finish(Duration::from_secs(20));
    assert_eq!(refused.code(), Some(5), "{}", refused.log);
    assert!(refused.log.contains("another process uses the journal"), "{}", refused.log);
    running.terminate(Duration::from_secs(20)).assert_done();

    place.start(&["dead-letters", "replay", "--sink", "out"]).finish(Duration::from_secs(20)).assert_done();
    assert_eq!(letters(&place, &["list", "--json"]).len(), listed.len(), "a letter stays until it is delivered");
    place.start(&["run", "--once"]).finish(Duration::from_secs(60)).assert_done();
    assert_eq!(letters(&place, &["list", "--json"]).len(), 0);
    site.expect_all(&delivered(&place, &[kept(&place)]));
}

/// What a command prints as JSON lines.
fn letters(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let output = place.command(&[&["dead-letters"], arguments].concat()).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it is text");
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}
