//! Damage: what is noticed, what is carried over, and that nothing is missing in the end.

use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::types::Value;

use journal::{Append, DeadLetter, DeadLetters, EntryRef, FeedName, Journal, JournalError, Place, Settlement};

use crate::fixture::{Folder, World, feed_name, forward, lane, next, numbers, of, open_feed, page, settles, siem};

/// How many alerts the API shows.
const SHOWN: u64 = 400;

/// A journal that has a row of every kind: alerts 0 to 199 have arrived, but for 7, which is a dead letter; 200 to 299
/// are waiting, 7 is to be replayed, and 12 was given up for a lane that has left; the rest is still to be read.
async fn busy() -> (Folder, World) {
    let folder = Folder::new();
    let journal = folder.open(folder.options()).await.expect("the journal is whole");
    let siem = siem(&journal);
    let feed = open_feed(&journal).await;
    let mut world = World::new(SHOWN);
    for part in 0..4 {
        journal.append(page(feed, part * 50..part * 50 + 50)).await.expect("the journal is whole");
        let run = next(siem.reader().as_mut(), usize::MAX).await.expect("the journal is whole");
        world.arrived.extend(numbers(&run));
        let mut settlement = settles(&run);
        if part == 0 {
            let entry = EntryRef { queue: run.queue, place: Place(7) };
            settlement.dead_letters.push(DeadLetter { entry, reason: "refused".into() });
            world.arrived.remove(&7);
        }
        siem.settle(settlement).await.expect("the journal is whole");
    }
    for part in 4..6_u64 {
        let checkpoints = vec![("live".to_owned(), (part * 50 + 50).to_be_bytes().to_vec())];
        journal
            .append(Append { checkpoints, ..page(feed, part * 50..part * 50 + 50) })
            .await
            .expect("the journal is whole");
    }
    let letter = journal.dead_letters(siem.id(), 0, 1).await.expect("the journal is whole")[0].id;
    journal.replay(siem.id(), &[letter]).await.expect("the journal is whole");
    journal.set_lanes(&[lane("siem"), lane("gone")]).await.expect("the journal is whole");
    journal.skip(of(&journal, "gone").id(), "it leaves").await.expect("the journal is whole");
    journal.set_lanes(&[lane("siem")]).await.expect("the journal is whole");
    journal.close().await;
    (folder, world)
}

fn flip(path: &Path, offset: u64, mask: u8) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("it can be changed");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("it can be changed");
    file.write_all_at(&[byte[0] ^ mask], offset).expect("it can be changed");
}

/// Guarantee: without damage, nothing comes twice and nothing is missing: the ground that the others stand on.
#[tokio::test]
async fn an_undamaged_journal_goes_on() {
    let (folder, mut world) = busy().await;
    world.go_on(&folder).await;
    assert!(world.is_complete() && world.sentences.is_empty());
    assert!(folder.set_aside().is_empty());
}

/// Guarantee: a changed value in each kind of row is noticed, a sentence says so, and nothing that the API shows is
/// missing; only a key of the ledger may change unnoticed, and brings at most a copy.
#[tokio::test]
async fn a_changed_value_in_each_kind_of_row_loses_nothing() {
    let columns = [
        ("meta", "identity format sum forgotten"),
        ("feed", "tenant_id source kind reread_from server_day sum"),
        ("queue", "kind feed lane base tail sum"),
        ("checkpoint", "walk state sum"),
        ("ledger", "time id day queue place sum"),
        ("chunk", "queue place part parts count at oldest raw head_sum data_sum data"),
        ("lane", "name gone delivered filtered skipped sum"),
        ("mark", "lane queue place begun identity sum"),
        ("replay", "lane place letter sum"),
        ("skipped", "lane queue since until why at sum"),
        ("dead_letter", "lane feed queue place identity time key flags reason at raw data sum"),
    ];
    for (table, columns) in columns {
        for column in columns.split(' ') {
            let (folder, mut world) = busy().await;
            change(&folder, table, column);
            world.go_on(&folder).await;
            assert!(world.is_complete(), "{table}.{column}: {:?}", world.sentences);
            let is_harmless = table == "ledger" && (column == "time" || column == "id");
            let is_noticed = world.sentences.len() == 1 && folder.set_aside().len() == 1;
            assert!(is_noticed || is_harmless, "{table}.{column} is noticed: {:?}", world.sentences);
        }
    }
}

/// Changes a value in a row of a table: in one that is in use.
fn change(folder: &Folder, table: &str, column: &str) {
    let raw = folder.raw();
    let row = match table {
        // The live queue.
        "queue" => "id = 0",
        "checkpoint" | "replay" => "TRUE",
        "mark" => "lane = 1 AND queue = 0",
        "ledger" => "time = (SELECT max(time) FROM ledger)",
        "lane" => "id = 1",
        "chunk" | "dead_letter" | "feed" | "meta" | "skipped" => "id = (SELECT max(id) FROM main)",
        _ => unreachable!("there is no table {table}"),
    };
    let row = row.replace("main", table);
    let found = raw
        .query_row(&format!("SELECT {column} FROM {table} WHERE {row}"), [], |row| row.get(0))
        .expect("it can be changed");
    let changed = match found {
        Value::Null => Value::Integer(1),
        // A queue that is not there: its neighbour has a mark as well.
        Value::Integer(number) if (table, column) == ("mark", "queue") => Value::Integer(number ^ 64),
        Value::Integer(number) => Value::Integer(number ^ 1),
        Value::Text(text) => Value::Text(format!("x{}", &text[1..])),
        Value::Blob(mut bytes) => {
            *bytes.last_mut().expect("it can be changed") ^= 1;
            Value::Blob(bytes)
        }
        Value::Real(_) => unreachable!("the journal stores no such numbers"),
    };
    let count =
        raw.execute(&format!("UPDATE {table} SET {column} = ? WHERE {row}"), [changed]).expect("it can be changed");
    assert_eq!(count, 1, "{table}.{column} is changed");
}

/// Guarantee: a flipped byte anywhere in the database file loses nothing, and never stops the journal from opening.
#[tokio::test]
async fn a_flipped_byte_anywhere_in_the_file_loses_nothing() {
    let (folder, world) = busy().await;
    let length = std::fs::metadata(folder.database()).unwrap().len();
    let mut random = fastrand::Rng::with_seed(1);
    // Every byte of the header, then bytes from everywhere.
    let offsets = (0..100).chain(std::iter::repeat_with(|| random.u64(..length)).take(100));
    let mut noticed = 0;
    for offset in offsets.collect::<Vec<_>>() {
        let image = folder.image();
        flip(&image.database(), offset, 1 << random.u8(..8));
        let mut world = World { arrived: world.arrived.clone(), sentences: Vec::new(), ..world };
        world.go_on(&image).await;
        assert!(world.is_complete(), "offset {offset}: {:?}", world.sentences);
        noticed += world.sentences.len();
    }
    assert!(noticed > 50, "only {noticed} flips were noticed");
}

/// Guarantee: a database that was cut anywhere loses nothing, and never stops the journal from opening.
#[tokio::test]
async fn a_cut_file_loses_nothing() {
    let (folder, world) = busy().await;
    let length = std::fs::metadata(folder.database()).unwrap().len();
    let page = 16 * 1024;
    let lengths = [0, 1, 99, 100, 4_096, page, page + 1, 2 * page, length / 2, length - page, length - 1];
    for cut in lengths {
        let image = folder.image();
        std::fs::File::options().write(true).open(image.database()).unwrap().set_len(cut).unwrap();
        let mut world = World { arrived: world.arrived.clone(), sentences: Vec::new(), ..world };
        world.go_on(&image).await;
        assert!(world.is_complete(), "cut at {cut}: {:?}", world.sentences);
        assert_eq!(world.sentences.len(), 1, "cut at {cut}");
    }
}

/// Guarantee: a write-ahead log that was cut, flipped or taken away after a crash loses nothing: what is left of it is
/// a past in which marks, entries and checkpoints agree.
#[tokio::test]
async fn a_damaged_log_loses_nothing() {
    let (folder, mut world) = busy().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let feed = open_feed(&journal).await;
    let siem = siem(&journal);
    for part in 6..8_u64 {
        let checkpoints = vec![("live".to_owned(), (part * 50 + 50).to_be_bytes().to_vec())];
        journal.append(Append { checkpoints, ..page(feed, part * 50..part * 50 + 50) }).await.unwrap();
        let run = next(siem.reader().as_mut(), 10_000).await.unwrap();
        siem.settle(Settlement::default()).await.unwrap();
        world.arrived.extend(numbers(&run));
        siem.settle(settles(&run)).await.unwrap();
    }
    let crashed = folder.image();
    journal.close().await;
    let log = |folder: &Folder| folder.path().join("journal.db-wal");
    let length = std::fs::metadata(log(&crashed)).unwrap().len();
    assert!(length > 0, "there is a log to damage");
    let mut random = fastrand::Rng::with_seed(2);
    for round in 0..60 {
        let image = crashed.image();
        let offset = random.u64(..length);
        match round % 3 {
            0 => flip(&log(&image), offset, 1 << random.u8(..8)),
            1 => std::fs::File::options().write(true).open(log(&image)).unwrap().set_len(offset).unwrap(),
            _ => std::fs::remove_file(log(&image)).unwrap(),
        }
        let mut world = World { arrived: world.arrived.clone(), sentences: Vec::new(), ..world };
        world.go_on(&image).await;
        assert!(world.is_complete(), "offset {offset}: {:?}", world.sentences);
    }
}

/// Guarantee: what is found while the journal is open ends it at once and for every caller; the next opening sets it
/// aside although it might not meet the damage by itself.
#[tokio::test]
async fn damage_that_is_met_while_running_ends_the_journal() {
    let (folder, mut world) = busy().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let siem = siem(&journal);
    folder.raw().execute("UPDATE chunk SET data_sum = data_sum + 1 WHERE place = 200", []).unwrap();
    let error = forward(&*siem).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("place 200 of queue 0 does not match its checksum"), "{error}");
    let refused = siem.settle(Settlement::default()).await.unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { .. }), "nothing is written any more");
    journal.close().await;
    folder.raw().execute("UPDATE chunk SET data_sum = data_sum - 1 WHERE place = 200", []).unwrap();

    world.go_on(&folder).await;
    assert!(world.is_complete());
    assert_eq!(world.sentences.len(), 1);
}

/// Guarantee: after damage in what is waiting, only that is read again: feeds, checkpoints, lanes and dead letters
/// stand, what all lanes are done with is still known, and the identity that marks carry is a new one.
#[tokio::test]
async fn only_what_was_waiting_is_read_again() {
    let (folder, _) = busy().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let identity = journal.identity();
    journal.close().await;
    folder.raw().execute("UPDATE chunk SET data_sum = 0 WHERE place = 250", []).unwrap();
    let journal = folder.open(folder.options()).await.unwrap();
    assert_eq!(journal.damage(), None, "a chunk is looked at when it is read");
    forward(&*siem(&journal)).await.unwrap_err();
    journal.close().await;

    let journal = folder.open(folder.options()).await.unwrap();
    let sentence = journal.damage().unwrap();
    let aside = folder.set_aside().pop().unwrap();
    assert!(sentence.contains("place 250 of queue 0"), "{sentence}");
    assert!(sentence.contains(aside.to_str().unwrap()), "{sentence}");
    assert!(sentence.contains("updated since 0001-01-01T00:00:00Z are read again"), "{sentence}");
    assert!(aside.join("journal.db").exists(), "the damaged journal is kept");
    assert_ne!(journal.identity(), identity);
    let feed = journal.open_feed(&feed_name(), "mde_alerts").await.unwrap();
    // 200 and 249 had been settled by then.
    let settled = feed.reread_from.unwrap();
    assert!((200..=250).contains(&settled), "{settled}");
    assert_eq!(feed.checkpoints["live"], 300_u64.to_be_bytes());
    assert_eq!(siem(&journal).waiting(), 0);
    let letters = journal.dead_letters(siem(&journal).id(), 0, 9).await.unwrap();
    assert_eq!(
        (letters.len(), letters[0].reason.as_str(), letters[0].entry.feed.kind.as_str()),
        (1, "refused", "mde_alerts")
    );
    let appended = journal.append(page(feed.id, 0..300)).await.unwrap();
    let known = appended.new.iter().take_while(|new| !**new).count();
    assert_eq!(known as i64, settled, "what is done with is still known");
    assert!(appended.new[known..].iter().all(|new| *new), "the rest is read again");
    journal.close().await;

    let journal = folder.open(folder.options()).await.unwrap();
    assert_eq!(journal.damage(), None, "it is said once");
    let feed = journal.open_feed(&feed_name(), "mde_alerts").await.unwrap();
    assert_eq!(feed.reread_from, Some(settled), "it stands until it is heeded");
    journal.append(Append { reread: true, ..page(feed.id, []) }).await.unwrap();
    let feed = journal.open_feed(&feed_name(), "mde_alerts").await.unwrap();
    assert_eq!(feed.reread_from, None);
}

/// Guarantee: a walk whose checkpoint is lost is read from as far back as the API goes, although nothing was waiting, or
/// what was waiting is younger; what had arrived is still known, and another walk's checkpoint does not hide the loss.
#[tokio::test]
async fn a_lost_checkpoint_is_read_from_far_back() {
    for losing in ["UPDATE checkpoint SET sum = 0 WHERE walk = 'live'", "UPDATE checkpoint SET walk = 'x', sum = 0"] {
        let (folder, mut world) = busy().await;
        world.go_on(&folder).await;
        assert!(world.is_complete(), "all is settled before");
        // The process was down for a while.
        world.shown += 100;
        let raw = folder.raw();
        if losing.contains("'x'") {
            raw.execute("DELETE FROM checkpoint WHERE walk = 'round'", []).unwrap();
        }
        assert_eq!(raw.execute(losing, []).unwrap(), 1);
        let journal = folder.open(folder.options()).await.unwrap();
        let feed = journal.open_feed(&feed_name(), "mde_alerts").await.unwrap();
        assert_eq!(feed.reread_from, Some(i64::MIN));
        assert!(journal.damage().unwrap().ends_with("everything that the API still shows is read again"));
        let siem = siem(&journal);
        assert_eq!(journal.append(page(feed.id, [398, 399, 450])).await.unwrap().new, [false, false, true]);
        world.arrived.extend(forward(&*siem).await.unwrap());
        journal.close().await;
        world.go_on(&folder).await;
        assert!(world.is_complete(), "{losing}");
    }
}

/// Guarantee: where one feed's checkpoint is lost, a feed that still has its own goes on there.
#[tokio::test]
async fn a_lost_checkpoint_is_one_feeds_own() {
    let (folder, _) = busy().await;
    let journal = folder.open(folder.options()).await.unwrap();
    let other = FeedName { source: "incidents".into(), ..feed_name() };
    let feed = journal.open_feed(&other, "kind").await.unwrap().id;
    let checkpoints = vec![("live".to_owned(), vec![1])];
    journal.append(Append { checkpoints, ..page(feed, []) }).await.unwrap();
    journal.close().await;
    assert_eq!(folder.raw().execute("UPDATE checkpoint SET sum = 0 WHERE feed = 0", []).unwrap(), 1);
    let journal = folder.open(folder.options()).await.unwrap();
    let lost = journal.open_feed(&feed_name(), "mde_alerts").await.unwrap();
    assert_eq!((lost.reread_from, lost.checkpoints.len()), (Some(i64::MIN), 0), "although 200 was waiting");
    let kept = journal.open_feed(&other, "kind").await.unwrap();
    assert_eq!((kept.reread_from, &kept.checkpoints["live"]), (None, &vec![1]));
    let new = journal.append(page(lost.id, [198, 199, 200])).await.unwrap().new;
    assert_eq!(new, [false, false, true], "what had arrived is known, what was waiting is not");
}

/// Guarantee: a database that the disk cannot read is set aside; there is no way out of a bad sector by trying again.
#[tokio::test]
async fn an_unreadable_database_is_set_aside() {
    let (folder, mut world) = busy().await;
    // A file whose first bytes cannot be read: nothing is mapped at the address 0.
    std::fs::remove_file(folder.database()).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", folder.database()).unwrap();
    world.go_on(&folder).await;
    assert!(world.is_complete());
    assert!(world.sentences[0].contains("the disk cannot read the database"), "{:?}", world.sentences);
}

/// Guarantee: the same place in a later journal is another entry, and its dead letter another letter.
#[tokio::test]
async fn dead_letters_of_two_journals_do_not_meet() {
    let (folder, _) = busy().await;
    folder.raw().execute("UPDATE mark SET sum = 0", []).unwrap();
    let journal = folder.open(folder.options()).await.unwrap();
    assert!(journal.damage().is_some());
    let siem = siem(&journal);
    journal.append(page(open_feed(&journal).await, 1_000..1_010)).await.unwrap();
    let run = next(siem.reader().as_mut(), usize::MAX).await.unwrap();
    let letter = DeadLetter { entry: EntryRef { queue: run.queue, place: Place(7) }, reason: "again".into() };
    siem.settle(Settlement { dead_letters: vec![letter], ..Settlement::default() }).await.unwrap();
    let letters = journal.dead_letters(siem.id(), 0, 9).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.entry.key.time).collect::<Vec<_>>(), [7, 1_007]);
}

/// Guarantee: a setting aside that was interrupted at any step is taken up there.
#[tokio::test]
async fn an_interrupted_setting_aside_is_taken_up() {
    let (folder, world) = busy().await;
    folder.raw().execute("UPDATE mark SET sum = 0", []).unwrap();
    let finished = folder.image();
    finished.open(finished.options()).await.unwrap().close().await;
    let aside = finished.set_aside().pop().unwrap();
    let aside = aside.file_name().unwrap().to_str().unwrap();
    let identity = |path: &Path| -> [u8; 16] {
        let database = rusqlite::Connection::open(path).expect("the database opens");
        database.query_row("SELECT identity FROM meta", [], |row| row.get(0)).expect("it has an identity")
    };
    for step in ["noted", "half built", "built", "moved", "adopted"] {
        let image = folder.image();
        std::fs::write(image.path().join("damaged"), format!("a mark\n{aside}\n")).unwrap();
        let draft = image.path().join("draft.db");
        match step {
            "half built" => std::fs::write(&draft, "SQLite form").unwrap(),
            "built" | "moved" | "adopted" => drop(std::fs::copy(finished.database(), &draft).unwrap()),
            _ => {}
        }
        if step == "moved" || step == "adopted" {
            std::fs::create_dir(image.path().join(aside)).unwrap();
            std::fs::rename(image.database(), image.path().join(aside).join("journal.db")).unwrap();
        }
        if step == "adopted" {
            std::fs::rename(&draft, image.database()).unwrap();
        }
        let mut world = World { arrived: world.arrived.clone(), sentences: Vec::new(), ..world };
        world.go_on(&image).await;
        assert!(world.is_complete(), "{step}");
        assert_eq!(world.sentences.len(), 1, "{step}");
        assert!(world.sentences[0].contains(aside), "{step}: {:?}", world.sentences);
        let kept = image.path().join(aside).join("journal.db");
        assert_eq!(identity(&kept), identity(&folder.database()), "{step}: the damaged journal is kept");
        assert!(!draft.exists() && !image.path().join("damaged").exists(), "{step}");
    }
}
