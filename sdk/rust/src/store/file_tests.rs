use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    Frame, Object, Pending, PendingState, RequestId,
    store::{ChatRow, Patch, message_row},
};

fn chat(n: u128) -> ChatId {
    ChatId(Uuid::from_u128(n))
}

/// An event with its cursor, as they are stored together.
fn event(n: u128, seq: u64) -> Vec<Op> {
    let message = json!({ "id": Uuid::from_u128(u128::from(seq)), "text": format!("text {seq} …") });
    let row = json!({ "id": chat(n), "applied": seq, "segments": [[1, seq]] });
    let row: ChatRow = serde_json::from_value(row).expect("row");
    let message = message.as_object().expect("object").clone();
    vec![Op::Event { row: message_row(chat(n), seq, message) }, Op::Chat { row }]
}

fn pending(n: u128) -> Op {
    let request_id = RequestId(Uuid::from_u128(n));
    let (chat_id, created) = (chat(1), n.try_into().expect("small"));
    let frame = Frame::default();
    let state = PendingState::Pending;
    Op::Pending {
        row: Pending {
            request_id,
            chat_id,
            created,
            state,
            frame,
            seqs: vec![],
            code: None,
            reason: None,
            detail: None,
        },
    }
}

/// Everything that a store has.
fn content(store: &mut dyn Store) -> String {
    let mut saved = store.load().expect("load");
    saved.chats.sort_by_key(|row| row.id);
    saved.outbox.sort_by_key(|row| row.created);
    let events: Vec<_> =
        (0..9).map(|n| store.events(chat(n), 0..=u64::MAX, usize::MAX, false).expect("events")).collect();
    format!("{:?} {saved:?} {events:?}", saved.values)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn open(&self) -> FileStore {
        FileStore::open(self.path()).expect("open")
    }
}

#[test]
fn has_everything_after_a_restart() {
    let folder = Folder::new();
    let mut store = folder.open();
    for ops in [vec![Op::set("session", json!({ "access": "secret" }))], event(1, 1), event(1, 2), vec![pending(7)]] {
        store.write(&ops).expect("write");
    }
    let before = content(&mut store);
    drop(store);
    let mut again = folder.open();
    assert_eq!(content(&mut again), before);
    assert!(before.contains("text 2") && before.contains("secret"));
}

#[test]
fn can_be_opened_again_while_a_process_is_forked() {
    let folder = Folder::new();
    let store = folder.open();
    let _of_the_fork = store.lock.try_clone().expect("duplicate file");
    drop(store);
    folder.open();
}

#[test]
fn is_for_one_process() {
    let folder = Folder::new();
    let store = folder.open();
    assert!(matches!(FileStore::open(folder.path()), Err(StoreError::Locked(_))));
    drop(store);
    folder.open();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let mut store = folder.open();
    let mode = || fs::metadata(folder.path()).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    store.write(&[Op::Wipe]).expect("write");
    assert_eq!(mode(), 0o600, "after it was rewritten");
    drop(store);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o644)).expect("chmod");
    folder.open();
    assert_eq!(mode(), 0o600, "after it was opened with another mode");
}

#[test]
fn leaves_nothing_of_what_was_wiped_on_the_disk() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.write(&event(1, 1)).expect("write");
    assert!(fs::read_to_string(folder.path()).expect("read").contains("text 1"));
    store.write(&[Op::Wipe, Op::set("owner", "bob")]).expect("write");
    let rest = fs::read_to_string(folder.path()).expect("read");
    assert!(!rest.contains("text 1") && rest.contains("bob"), "{rest}");
}

#[test]
fn compacts_what_has_grown_and_goes_on() {
    let folder = Folder::new();
    let mut store = folder.open();
    let mut longest = 0;
    for round in 0..4000 {
        store.write(&[Op::set("key", json!([round, "x".repeat(1000)]))]).expect("write");
        longest = longest.max(fs::metadata(folder.path()).expect("metadata").len());
    }
    assert!(longest < LEAST + 2000, "{longest}");
    store.write(&event(1, 1)).expect("write");
    let before = content(&mut store);
    drop(store);
    assert_eq!(content(&mut folder.open()), before);
    assert!(before.contains("3999") && before.contains("text 1"));
}

#[test]
fn a_crash_in_the_middle_of_a_compaction_changes_nothing() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.write(&event(1, 1)).expect("write");
    let before = content(&mut store);
    drop(store);
    fs::write(beside(&folder.path(), "new"), "half of a li").expect("write");
    let mut store = folder.open();
    assert_eq!(content(&mut store), before);
    store.write(&[Op::Wipe]).expect("write");
    drop(store);
    assert!(!content(&mut folder.open()).contains("text 1"));
}

#[test]
fn cuts_off_what_cannot_be_read_and_keeps_a_copy() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.write(&event(1, 1)).expect("write");
    let before = content(&mut store);
    drop(store);
    let mut text = fs::read_to_string(folder.path()).expect("read");
    text += "\0\0\0\0\n[]\n";
    fs::write(folder.path(), &text).expect("write");
    let mut store = folder.open();
    assert_eq!(content(&mut store), before);
    assert_eq!(fs::read_to_string(beside(&folder.path(), "damaged")).expect("read"), text);
    store.write(&event(1, 2)).expect("write");
    let after = content(&mut store);
    drop(store);
    assert_eq!(content(&mut folder.open()), after);
}

#[test]
fn stays_short_over_many_restarts() {
    let folder = Folder::new();
    for round in 0..50 {
        let mut store = folder.open();
        for n in 0..9 {
            store.write(&[Op::set("key", json!([round, n, "x".repeat(100_000)]))]).expect("write");
        }
    }
    let length = fs::metadata(folder.path()).expect("metadata").len();
    assert!(length < 2 * LEAST, "{length}");
    assert!(content(&mut folder.open()).contains("[Number(49), Number(8)"));
}

#[test]
fn leaves_a_file_that_is_not_a_journal_alone() {
    for text in ["My diary\nMonday\n", "no line", "{\"op\":1}\n[]\n", "\u{7f}ELF\0\0"] {
        let folder = Folder::new();
        fs::write(folder.path(), text).expect("write");
        assert!(matches!(FileStore::open(folder.path()), Err(StoreError::NotAJournal(_))), "{text}");
        assert!(!beside(&folder.path(), "lock").exists());
        assert_eq!(fs::read_to_string(folder.path()).expect("read"), text);
        assert!(!beside(&folder.path(), "damaged").exists());
    }
}

#[test]
fn an_error_names_the_file_and_its_cause_once() {
    use std::error::Error as _;

    let folder = Folder::new();
    let path = folder.path().join("missing");
    let error = FileStore::open(&path).expect_err("no such directory");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}: ", path.display())), "{text}");
    assert!(error.source().is_none(), "the cause is a part of the text");
    let error = crate::BuildError::from(error);
    assert!(error.to_string().ends_with(&text) && error.source().is_none());
}

#[test]
fn a_wipe_deletes_the_copy_of_a_damaged_journal() {
    let folder = Folder::new();
    folder.open().write(&event(1, 1)).expect("write");
    let text = fs::read_to_string(folder.path()).expect("read");
    fs::write(folder.path(), text + "broken\n").expect("write");
    let mut store = folder.open();
    let copy = beside(&folder.path(), "damaged");
    assert!(copy.exists());
    store.write(&[Op::Wipe]).expect("write");
    assert!(!copy.exists());
}

#[test]
fn refuses_what_it_could_not_read_again() {
    let folder = Folder::new();
    let mut store = folder.open();
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    store.write(&[Op::set("deep", nested(125))]).expect("write");
    let before = content(&mut store);
    assert!(store.write(&[Op::set("deeper", nested(126))]).is_err());
    store.write(&[pending(1)]).expect("write");
    drop(store);
    let after = content(&mut folder.open());
    assert!(after.contains(before.split(' ').next().expect("values")) && after.contains("Pending"), "{after}");
}

/// Members of an event of any version, also with the names that a row has.
fn members() -> impl Strategy<Value = Object> {
    let name = prop_oneof![
        prop::sample::select(vec!["message", "expires", "extra", "op", "row", "type", "seq", "chat_id", "applied"])
            .prop_map(str::to_owned),
        ".{0,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,6}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    });
    prop::collection::btree_map(name, value, 0..6).prop_map(|map| map.into_iter().collect())
}

fn transactions() -> impl Strategy<Value = Vec<Vec<Op>>> {
    let op = prop_oneof![
        (0..3_u128, 1..9_u64).prop_map(|(n, seq)| event(n, seq)),
        (0..5_u128).prop_map(|n| vec![pending(n)]),
        (0..5_u128).prop_map(|n| vec![Op::DropPending { id: RequestId(Uuid::from_u128(n)) }]),
        (0..3_u128, 1..9_u64).prop_map(|(n, below)| vec![Op::Trim { chat_id: chat(n), below }]),
        Just(vec![Op::set("primed", true)]),
        Just(vec![Op::Wipe]),
    ];
    proptest::collection::vec(op, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever members an event has, and whatever the chat, the message and the frame that is sent have.
    #[test]
    fn reads_everything_that_it_wrote(members in members(), deep in 0..110_usize) {
        let folder = Folder::new();
        let mut store = folder.open();
        let mut members = members;
        members.insert("deep".to_owned(), (0..deep).fold(Value::Null, |inner, _| json!([inner])));
        let row = json!({ "id": chat(1), "applied": 1, "segments": [[1, 1]], "item": members });
        let extra = EventRow { extra: members.clone(), message: None, ..message_row(chat(1), 1, Object::new()) };
        let Op::Pending { row: mut sent } = pending(7) else { unreachable!() };
        sent.frame = Frame(members.clone());
        let patch = Patch { chat_id: chat(1), seq: 2, changed_seq: Some(3), erase: false, set: members.clone() };
        let ops = [
            Op::Event { row: extra },
            Op::Event { row: message_row(chat(1), 2, members.clone()) },
            Op::Chat { row: serde_json::from_value(row).expect("row") },
            Op::Pending { row: sent },
            Op::Patch(patch),
            Op::set("any", members),
        ];
        store.write(&ops).expect("write");
        let before = content(&mut store);
        drop(store);
        prop_assert_eq!(content(&mut folder.open()), before);
    }

    /// Wherever the process was killed, the transactions before are there, whole, and no other.
    #[test]
    fn a_torn_journal_has_a_prefix_of_the_transactions(transactions in transactions(), cut in 0.0..1.0_f64) {
        let folder = Folder::new();
        let mut store = folder.open();
        let mut model = MemoryStore::new();
        // After a wipe the journal begins again: only what follows the last one is in it line by line.
        let mut prefixes = vec![(0, content(&mut model))];
        for ops in &transactions {
            store.write(ops).expect("write");
            model.write(ops).expect("write");
            if ops.contains(&Op::Wipe) {
                prefixes.clear();
            }
            prefixes.push((store.length, content(&mut model)));
        }
        drop(store);
        let bytes = fs::read(folder.path()).expect("read");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let length = (bytes.len() as f64 * cut) as usize;
        fs::write(folder.path(), &bytes[..length]).expect("write");
        let expected = prefixes.iter().rev().find(|(end, _)| *end <= length as u64);
        let mut again = folder.open();
        if let Some((_, expected)) = expected {
            prop_assert_eq!(&content(&mut again), expected);
        }
        // What follows is not lost with the rest of the torn line.
        again.write(&[pending(99)]).expect("write");
        let after = content(&mut again);
        drop(again);
        prop_assert_eq!(content(&mut folder.open()), after);
    }
}
