//! The client for the terminal, `sdk/rust/examples/chat.rs`, in pseudo-terminals.

mod pty;

use std::sync::Arc;

use neonchat_client::ChatId;
use neonchat_testbed::{client::PASSWORD, system::binary};
use pty_process::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::pty::Terminal;
use super::{Person, start};
use crate::{
    helpers::{Running, folder},
    nginx::Nginx,
};

const SIZE: (u16, u16) = (24, 80);

/// A user with a folder, which has the store.
struct User {
    name: &'static str,
    folder: Arc<TempDir>,
}

impl User {
    fn new(name: &'static str) -> Self {
        Self { name, folder: Arc::new(tempfile::tempdir().expect("create directory")) }
    }

    fn chat_with(&self, running: &Running, password: &str, size: (u16, u16)) -> Terminal {
        let command = self.command(&running.system.rest(), password, &running.system.websocket());
        Terminal::run(command, self.folder.clone(), size)
    }

    fn command(&self, url: &str, password: &str, websocket: &str) -> Command {
        let program = binary("examples/chat").expect("cargo build --workspace --example chat");
        // A backtrace would fill the screen.
        Command::new(program).args([self.name, url, password, websocket]).env("RUST_BACKTRACE", "0")
    }

    /// Runs it until it is live.
    async fn chat(&self, running: &Running) -> Terminal {
        let terminal = self.chat_with(running, PASSWORD, SIZE);
        is(&terminal, "live").await;
        terminal
    }
}

/// Two users who are in a chat with each other, as it begins.
async fn pair(running: &Running) -> (Terminal, Terminal) {
    let (mut alice, bob) = (User::new("alice").chat(running).await, User::new("bob").chat(running).await);
    alice.enter("/chat bob").await;
    alice.enter("Hello Bob").await;
    alice.says("me: Hello Bob").await;
    bob.says("alice: Hello Bob").await;
    (alice, bob)
}

/// Waits for a state of the connection, which the last line begins with.
async fn is(terminal: &Terminal, state: &str) {
    terminal.shows(state, |screen| screen.rows(0, 80).last().is_some_and(|line| line.starts_with(state))).await;
}

/// Asserts that the process ends without an error, and leaves the terminal as it was.
async fn ends_well(mut terminal: Terminal) {
    let status = terminal.end().await;
    assert!(status.success(), "{status}: {}", terminal.screen().contents());
    let screen = terminal.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "the terminal was not restored");
    assert_eq!(terminal.screen().contents(), "", "something was printed beside the chat");
}

/// Opens a chat with the user of this name.
async fn open_chat(person: &Person, name: &str) -> ChatId {
    let rest = person.client.rest();
    let found: Value = rest.get("/users").query("q", name).send().await.expect("find user");
    let body = json!({ "partner_id": found["users"][0]["id"] });
    let chat: Value = rest.post("/chats").json(&body).send().await.expect("open chat");
    serde_json::from_value(chat["id"].clone()).expect("ID of the chat")
}

fn times(terminal: &Terminal, text: &str) -> usize {
    terminal.screen().contents().matches(text).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_chat_and_a_third_one_is_unread() {
    let running = start().await;
    let (mut alice, mut bob) = pair(&running).await;
    bob.press("Hello A").await;
    alice.says("bob is typing …").await;
    bob.press("\x7f").await;
    bob.enter("Alice").await;
    alice.says("bob: Hello Alice").await;
    assert_eq!(times(&alice, "typing"), 0);
    // Longer than a line.
    alice.enter(&format!("{}end", "word ".repeat(30))).await;
    bob.says("end").await;

    let carol = Person::live(&running).await;
    let chat = open_chat(&carol, "bob").await;
    carol.client.send(chat, "Psst").await.expect("send").await.expect("acknowledge message");
    let row = format!("● (1) {}", &carol.name[..10]);
    bob.says(&row).await;
    assert_eq!((times(&bob, "Hello Alice"), times(&bob, "Psst")), (1, 0));
    // The chat with the newest message is the first.
    bob.press("\x1b[A").await;
    bob.says(": Psst").await;
    bob.shows("that it is read", |screen| !screen.contents().contains("(1)")).await;
    bob.press("\x1b[B").await;
    bob.says("me: Hello Alice").await;
    bob.enter("/chat nobody").await;
    bob.says("nobody is called nobody").await;

    alice.press("\x03").await;
    ends_well(alice).await;
    bob.press("\x1b").await;
    ends_well(bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_with_its_session_and_on_a_new_device_with_the_password() {
    let running = start().await;
    let (alice, bob) = (User::new("alice"), User::new("bob"));
    let (mut first, mut second) = (alice.chat(&running).await, bob.chat(&running).await);
    first.enter("/chat bob").await;
    first.enter("Hello Bob").await;
    second.says("alice: Hello Bob").await;
    first.press("\x1b").await;
    ends_well(first).await;
    second.enter("Hello Alice").await;
    second.says("me: Hello Alice").await;

    let again = alice.chat_with(&running, "not needed", SIZE);
    again.says("bob: Hello Alice").await;
    assert_eq!((times(&again, "me: Hello Bob"), times(&again, "Hello Alice")), (1, 1));
    let device = User::new("alice").chat(&running).await;
    device.says("bob: Hello Alice").await;
    let mut other = User::new("alice").chat_with(&running, "not-the-password-1", SIZE);
    let status = other.end().await;
    assert!(
        !status.success() && other.screen().contents().contains("username_taken"),
        "{status}: {}",
        other.screen().contents()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_that_the_service_is_away_and_sends_afterwards_once() {
    let mut running = start().await;
    let (mut alice, mut bob) = pair(&running).await;
    running.system.kill_notification_service().await.expect("kill notification-service");
    is(&alice, "waiting").await;
    is(&bob, "waiting").await;
    alice.enter("While it is away").await;
    alice.says("… While it is away").await;
    running.system.kill_and_restart_notification_service().await.expect("restart notification-service");
    bob.says("alice: While it is away").await;
    is(&alice, "live").await;
    bob.enter("It is back").await;
    alice.says("bob: It is back").await;
    for (terminal, author) in [(&alice, "me"), (&bob, "alice")] {
        assert_eq!(times(terminal, "While it is away"), 1, "{}", terminal.screen().contents());
        assert_eq!(times(terminal, &format!("{author}: While it is away")), 1, "{}", terminal.screen().contents());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fits_any_size_of_the_terminal() {
    let running = start().await;
    let (mut alice, mut bob) = pair(&running).await;
    for (rows, columns) in [(5, 20), (1, 1), (2, 200), (7, 21)] {
        bob.resize(rows, columns).await;
        alice.enter(&format!("at {rows} x {columns}")).await;
        bob.press("A line that is longer than the terminal is wide").await;
    }
    bob.says("is wide").await;
    bob.resize(24, 80).await;
    for text in ["at 5 x 20", "at 1 x 1", "at 2 x 200", "at 7 x 21"] {
        bob.says(text).await;
    }
    bob.press("\x03").await;
    ends_well(bob).await;

    // It also begins there.
    let mut small = User::new("carol").chat_with(&running, PASSWORD, (5, 20));
    is(&small, "live").await;
    small.press("\x03").await;
    ends_well(small).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trusts_the_roots_of_ssl_cert_file_and_names_an_untrusted_certificate() {
    let (running, folder) = (start().await, folder());
    let nginx = Nginx::start(folder.path(), &[running.system.ports()]).await;
    let alice = User::new("alice");
    let (url, websocket) =
        (format!("https://localhost:{}", nginx.https()), format!("wss://localhost:{}", nginx.https()));
    let command = || alice.command(&url, PASSWORD, &websocket);
    let mut refused = Terminal::run(command(), alice.folder.clone(), SIZE);
    let status = refused.end().await;
    let said = refused.screen().contents();
    assert!(!status.success() && said.contains("invalid peer certificate"), "{status}: {said}");
    let trusting = command().env("SSL_CERT_FILE", nginx.certificate());
    is(&Terminal::run(trusting, alice.folder.clone(), SIZE), "live").await;
}
