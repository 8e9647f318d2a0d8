//! Chats in the terminal: `make run` in one terminal, `make chat NAME=alice` and `make chat NAME=bob` in two others.

use std::{
    collections::{HashMap, HashSet},
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use neonchat_client::{Chat, ChatEvent, ChatId, Client, Event, FileStore, Message, PendingState, Status, UserId};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, List, ListItem, Paragraph},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const HELP: &str = "/chat NAME opens a chat · ↑ ↓ choose one · Enter sends · Esc ends";
const SHOWN: usize = 200;
/// How often typing is told, and how long it is shown.
const TYPING: Duration = Duration::from_secs(3);
const TYPED: Duration = Duration::from_secs(10);

struct App {
    client: Client,
    me: UserId,
    open: Option<ChatId>,
    messages: Vec<Message>,
    input: String,
    notice: String,
    online: HashSet<UserId>,
    typing: HashMap<ChatId, Instant>,
    told_typing: Option<Instant>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("usage: chat NAME [URL] [PASSWORD]")?;
    let url = arguments.next().unwrap_or_else(|| "http://localhost:8080".to_owned());
    let password = arguments.next().unwrap_or_else(|| "securepass123".to_owned());
    let client = sign_in(&name, &url, &password).await?;
    let me = client.session().context("nobody is signed in")?.user_id();
    let mut app = App {
        client: client.clone(),
        me,
        open: None,
        messages: Vec::new(),
        input: String::new(),
        notice: HELP.to_owned(),
        online: HashSet::new(),
        typing: HashMap::new(),
        told_typing: None,
    };
    // It also restores the terminal after a panic.
    let mut terminal = ratatui::init();
    let result = app.run(&mut terminal).await;
    ratatui::restore();
    client.close().await;
    result
}

/// Signs in with the session of the last run, or with the password; a new user is registered.
async fn sign_in(name: &str, url: &str, password: &str) -> anyhow::Result<Client> {
    fs::create_dir_all(".neonchat/chat")?;
    let store = FileStore::open(format!(".neonchat/chat/{name}.jsonl"))?;
    let client = Client::builder(url).store(store).build()?;
    if client.session().is_some() {
        return Ok(client);
    }
    match client.login(name, password).await {
        Err(error) if error.code() == "invalid_credentials" => {
            client.register(name, password).await.context("register")?;
            client.login(name, password).await?;
        }
        other => other.context("log in")?,
    }
    Ok(client)
}

impl App {
    async fn run(&mut self, terminal: &mut DefaultTerminal) -> anyhow::Result<()> {
        let mut events = self.client.events();
        let mut keys = keys();
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        self.client.start().await?;
        loop {
            terminal.draw(|frame| self.draw(frame))?;
            tokio::select! {
                Some(event) = events.next() => self.event(event).await?,
                key = keys.recv() => match key {
                    Some(key) if !is_end(key) => self.key(key).await?,
                    _ => return Ok(()),
                },
                _ = clock.tick() => self.typing.retain(|_, since| since.elapsed() < TYPED),
            }
        }
    }

    // --- what happens ---

    async fn event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Chat(ChatEvent::Listed | ChatEvent::Created { .. }) => {
                for partner in self.client.chats().into_iter().filter_map(|chat| chat.partner) {
                    self.set_online(partner.id, partner.status == "online");
                }
                if let (None, Some(first)) = (self.open, self.client.chats().first()) {
                    self.show(first.id).await?;
                }
            }
            Event::Presence(presence) => self.set_online(presence.user_id, presence.event == "user_online"),
            Event::Typing(typing) if typing.is_typing => drop(self.typing.insert(typing.chat_id, Instant::now())),
            Event::Typing(typing) => drop(self.typing.remove(&typing.chat_id)),
            Event::Message(new) => {
                self.typing.remove(&new.chat_id);
                self.reload(Some(new.chat_id)).await?;
            }
            Event::Frame(frame) => self.reload(frame.chat_id()).await?,
            Event::Gap(gap) if gap.skipped => self.reload(Some(gap.chat_id)).await?,
            Event::Missed(_) => self.reload(self.open).await?,
            Event::Error(failure) => self.notice = failure.message.unwrap_or(failure.code),
            _ => {}
        }
        Ok(())
    }

    fn set_online(&mut self, user: UserId, is_online: bool) {
        if is_online {
            self.online.insert(user)
        } else {
            self.online.remove(&user)
        };
    }

    async fn show(&mut self, chat: ChatId) -> anyhow::Result<()> {
        self.open = Some(chat);
        self.messages.clear();
        self.reload(Some(chat)).await
    }

    /// Loads the newest messages of the chat that is shown, if it is this one. The store has them.
    async fn reload(&mut self, chat: Option<ChatId>) -> anyhow::Result<()> {
        let Some(chat) = self.open.filter(|open| chat == Some(*open)) else { return Ok(()) };
        match self.client.timeline(chat).latest(SHOWN).await {
            Ok(page) => self.messages = page.messages,
            Err(error) => self.notice = error.to_string(),
        }
        if let Some(last) = self.messages.last() {
            self.client.read(chat, last.seq).await?;
        }
        Ok(())
    }

    async fn key(&mut self, key: KeyEvent) -> anyhow::Result<()> {
        match key.code {
            KeyCode::Char(letter) => {
                self.input.push(letter);
                self.tell_typing().await?;
            }
            KeyCode::Backspace => drop(self.input.pop()),
            KeyCode::Up => self.choose(-1).await?,
            KeyCode::Down => self.choose(1).await?,
            KeyCode::Enter => {
                let text = std::mem::take(&mut self.input);
                match text.strip_prefix("/chat ") {
                    Some(name) => self.open_chat(name.trim()).await?,
                    None => self.send(text).await?,
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn tell_typing(&mut self) -> anyhow::Result<()> {
        let is_due = self.told_typing.is_none_or(|last| last.elapsed() >= TYPING);
        if let Some(chat) = self.open.filter(|_| is_due && !self.input.starts_with('/')) {
            self.told_typing = Some(Instant::now());
            self.client.typing(chat, true).await?;
        }
        Ok(())
    }

    async fn choose(&mut self, step: isize) -> anyhow::Result<()> {
        let chats = self.client.chats();
        let place = chats.iter().position(|chat| Some(chat.id) == self.open).unwrap_or(0);
        match place.checked_add_signed(step).and_then(|place| chats.get(place)) {
            Some(chat) => self.show(chat.id).await,
            None => Ok(()),
        }
    }

    /// Opens the chat with a user.
    async fn open_chat(&mut self, name: &str) -> anyhow::Result<()> {
        let rest = self.client.rest();
        let found: Result<Value, _> = rest.get("/users").query("q", name).send().await;
        let users = found.as_ref().ok().and_then(|answer| answer["users"].as_array());
        let user = users.and_then(|users| users.iter().find(|user| user["username"] == name));
        let Some(user) = user else {
            self.notice = found.err().map_or_else(|| format!("nobody is called {name}"), |error| error.to_string());
            return Ok(());
        };
        let chat: Result<Chat, _> = rest.post("/chats").json(&json!({ "partner_id": user["id"] })).send().await;
        match chat {
            Ok(chat) => self.show(chat.id).await?,
            Err(error) => self.notice = error.to_string(),
        }
        Ok(())
    }

    async fn send(&mut self, text: String) -> anyhow::Result<()> {
        let Some(chat) = self.open.filter(|_| !text.trim().is_empty()) else { return Ok(()) };
        // It is in the outbox, which is shown, until the server has it.
        self.client.send(chat, text).await?;
        self.told_typing = None;
        Ok(())
    }

    // --- what is shown ---

    fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Min(3), Constraint::Length(3), Constraint::Length(1)];
        let [main, input, foot] = Layout::vertical(rows).areas(frame.area());
        let [left, right] = Layout::horizontal([Constraint::Length(26), Constraint::Min(20)]).areas(main);
        let chats = self.client.chats();
        let items = chats.iter().map(|chat| self.chat_line(chat));
        frame.render_widget(List::new(items).block(Block::bordered().title("Chats")), left);

        let title = self.open.and_then(|open| chats.iter().find(|chat| chat.id == open)).map(title).unwrap_or_default();
        let lines = self.message_lines(&title);
        let height = usize::from(right.height.saturating_sub(2));
        let last = lines.into_iter().rev().take(height).rev().collect::<Vec<_>>();
        let typing = self.open.is_some_and(|open| self.typing.contains_key(&open));
        let title = if typing { format!("{title} is typing …") } else { title };
        frame.render_widget(Paragraph::new(last).block(Block::bordered().title(title)), right);

        frame.render_widget(Paragraph::new(self.input.as_str()).block(Block::bordered()), input);
        let width = u16::try_from(Span::raw(self.input.as_str()).width()).unwrap_or(u16::MAX);
        frame.set_cursor_position((input.x.saturating_add(width.saturating_add(1)), input.y + 1));
        let state = match self.client.state() {
            Status::Live => "live".green(),
            Status::SignedOut { reason } => format!("signed out: {reason}").red(),
            other => format!("{other:?}").yellow(),
        };
        frame.render_widget(Line::from(vec![state, " · ".into(), self.notice.as_str().dim()]), foot);
    }

    fn chat_line(&self, chat: &Chat) -> ListItem<'static> {
        let is_online = chat.partner.as_ref().is_some_and(|partner| self.online.contains(&partner.id));
        let dot = Span::styled("● ", Style::new().fg(if is_online { Color::Green } else { Color::DarkGray }));
        let unread = if chat.unread_count > 0 { format!(" ({})", chat.unread_count) } else { String::new() };
        let style = if Some(chat.id) == self.open { Modifier::REVERSED } else { Modifier::empty() };
        ListItem::new(Line::from(vec![dot, Span::styled(title(chat), style), unread.yellow()]))
    }

    fn message_lines(&self, partner: &str) -> Vec<Line<'static>> {
        let line = |message: &Message| {
            let time = message.created_at.format("%H:%M ").to_string().dark_gray();
            let author = if message.sender_id == self.me { "me: ".cyan() } else { format!("{partner}: ").magenta() };
            let text = if message.deleted { "deleted".dim() } else { Span::raw(message.text.clone()) };
            Line::from(vec![time, author, text])
        };
        let pending = self.client.outbox().into_iter().filter(|row| Some(row.chat_id) == self.open);
        let waiting = pending.filter_map(|row| {
            let text = row.frame.get("text")?.as_str()?.to_owned();
            let is_failed = row.state == PendingState::Failed;
            Some(Line::from(if is_failed { format!("not sent: {text}").red() } else { format!("… {text}").dim() }))
        });
        self.messages.iter().map(line).chain(waiting).collect()
    }
}

fn title(chat: &Chat) -> String {
    let partner = chat.partner.as_ref().map(|partner| partner.username.clone());
    partner.or_else(|| chat.title.clone()).unwrap_or_else(|| chat.id.to_string())
}

fn is_end(key: KeyEvent) -> bool {
    key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

/// Reads the keys in a thread, which ends with the process.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (sender, keys) = mpsc::channel(64);
    thread::spawn(move || {
        while let Ok(input) = event::read() {
            // A release is not a key; a resize only has to be drawn, which the clock does.
            let Input::Key(key) = input else { continue };
            if key.kind == KeyEventKind::Press && sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}
