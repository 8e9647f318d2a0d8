use std::fs;

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    Frame, Pending, PendingState, RequestId,
    store::{ChatRow, message_row},
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
    Op::Pending { row: Pending { request_id, chat_id, created, state, frame, seqs: vec![], code: None, reason: None } }
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
fn is_for_one_process() {
    let folder = Folder::new();
    let store = folder.open();
    assert!(matches!(FileStore::open(folder.path()), Err(StoreError::Locked)));
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
    assert_eq!(mode(), 0o600, "after it was written anew");
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
