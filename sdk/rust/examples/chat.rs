//! Chats in the terminal: `make run` in one terminal, `make chat NAME=alice` and `make chat NAME=bob` in two others.

use std::{
    collections::HashMap,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyModifiers};
use neonchat_client::{Chat, ChatEvent, ChatId, Client, Event, FileStore, Message, PendingState, Status, UserId};
use ratatui::{
    DefaultTerminal, Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, List, ListItem, Paragraph, Wrap},
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
    online: HashMap<UserId, bool>,
    typing: HashMap<ChatId, Instant>,
    told_typing: Option<Instant>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("usage: chat NAME [URL] [PASSWORD] [WEB_SOCKET_URL]")?;
    let url = arguments.next().unwrap_or_else(|| "http://localhost:8080".to_owned());
    let password = arguments.next().unwrap_or_else(|| "securepass123".to_owned());
    let client = sign_in(&name, &url, &password, arguments.next()).await?;
    let me = client.session().context("nobody is signed in")?.user_id();
    let mut app = App {
        client: client.clone(),
        me,
        open: None,
        messages: Vec::new(),
        input: String::new(),
        notice: HELP.to_owned(),
        online: HashMap::new(),
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
async fn sign_in(name: &str, url: &str, password: &str, web_socket: Option<String>) -> anyhow::Result<Client> {
    fs::create_dir_all(".neonchat/chat")?;
    // Of one user at one server: the tokens must not go to another one.
    let file = format!("{name}@{url}").replace(['/', ':'], "_");
    let mut builder = Client::builder(url).store(FileStore::open(format!(".neonchat/chat/{file}.jsonl"))?);
    if let Some(web_socket) = web_socket {
        builder = builder.web_socket_url(web_socket);
    }
    let client = builder.build()?;
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
        let mut inputs = inputs();
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        self.client.start().await?;
        loop {
            terminal.draw(|frame| self.draw(frame))?;
            tokio::select! {
                Some(event) = events.next() => self.event(event).await?,
                input = inputs.recv() => match input {
                    Some(Input::Key(key)) if is_end(key) => return Ok(()),
                    Some(Input::Key(key)) if key.is_press() => self.key(key).await?,
                    Some(_) => {} // a resize, which has to be drawn
                    None => return Ok(()),
                },
                _ = clock.tick() => self.typing.retain(|_, since| since.elapsed() < TYPED),
            }
        }
    }

    /// Returns what a call has returned. Shows its error.
    fn done<T>(&mut self, result: Result<T, neonchat_client::Error>) -> Option<T> {
        result.map_err(|error| self.notice = error.to_string()).ok()
    }

    // --- what happens ---

    async fn event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Chat(ChatEvent::Listed | ChatEvent::Created { .. }) => {
                for partner in self.client.chats().into_iter().filter_map(|chat| chat.partner) {
                    self.online.insert(partner.id, partner.status == "online");
                }
                if let (None, Some(first)) = (self.open, self.client.chats().first()) {
                    self.show(first.id).await?;
                }
            }
            Event::Presence(user) => drop(self.online.insert(user.user_id, user.event == "user_online")),
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

    async fn show(&mut self, chat: ChatId) -> anyhow::Result<()> {
        self.open = Some(chat);
        self.messages.clear();
        self.reload(Some(chat)).await
    }

    /// Loads the newest messages of the chat that is shown, if it is this one. The store has them.
    async fn reload(&mut self, chat: Option<ChatId>) -> anyhow::Result<()> {
        let Some(chat) = self.open.filter(|open| chat == Some(*open)) else { return Ok(()) };
        let page = self.client.timeline(chat).latest(SHOWN).await;
        if let Some(page) = self.done(page) {
            self.messages = page.messages;
        }
        if let Some(last) = self.messages.last() {
            self.client.read(chat, last.seq).await?;
        }
        Ok(())
    }

    async fn key(&mut self, key: KeyEvent) -> anyhow::Result<()> {
        match key.code {
            KeyCode::Char(letter) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
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
        let found = rest.get("/users").query("q", name).send::<Value>().await;
        let Some(found) = self.done(found) else { return Ok(()) };
        let Some(user) = found["users"].as_array().into_iter().flatten().find(|user| user["username"] == name) else {
            self.notice = format!("nobody is called {name}");
            return Ok(());
        };
        let chat = rest.post("/chats").json(&json!({ "partner_id": user["id"] })).send::<Chat>().await;
        if let Some(chat) = self.done(chat) {
            HELP.clone_into(&mut self.notice);
            self.show(chat.id).await?;
        }
        Ok(())
    }

    async fn send(&mut self, text: String) -> anyhow::Result<()> {
        let Some(chat) = self.open.filter(|_| !text.trim().is_empty()) else { return Ok(()) };
        // It is in the outbox, which is shown, until the server has it.
        let sending = self.client.send(chat, text).await;
        self.done(sending);
        self.told_typing = None;
        Ok(())
    }

    // --- what is shown ---

    fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Fill(1), Constraint::Length(3), Constraint::Length(1)];
        let [main, input, foot] = Layout::vertical(rows).areas(frame.area());
        let [left, right] = Layout::horizontal([Constraint::Length(26), Constraint::Min(20)]).areas(main);
        let chats = self.client.chats();
        let list = List::new(chats.iter().map(|chat| self.chat_line(chat)));
        frame.render_widget(list.block(Block::bordered().title("Chats")), left);

        let title = self.open.and_then(|open| chats.iter().find(|chat| chat.id == open)).map(title).unwrap_or_default();
        let lines = Paragraph::new(self.message_lines(&title)).wrap(Wrap { trim: false });
        // The last ones that fit.
        let height = lines.line_count(right.width.saturating_sub(2));
        let above = height.saturating_sub(right.height.saturating_sub(2).into());
        let lines = lines.scroll((u16::try_from(above).unwrap_or(u16::MAX), 0));
        let typing = self.open.is_some_and(|open| self.typing.contains_key(&open));
        let title = if typing { format!("{title} is typing …") } else { title };
        frame.render_widget(lines.block(Block::bordered().title(title)), right);

        let width = u16::try_from(Span::raw(self.input.as_str()).width()).unwrap_or(u16::MAX);
        let left_out = width.saturating_sub(input.width.saturating_sub(3));
        let typed = Paragraph::new(self.input.as_str()).scroll((0, left_out));
        frame.render_widget(typed.block(Block::bordered()), input);
        frame.set_cursor_position((input.x + 1 + (width - left_out), input.y + 1));
        let state = match self.client.state() {
            Status::Live => "live".green(),
            Status::SignedOut { reason } => format!("signed out: {reason}").red(),
            Status::Stopped { reason } => format!("stopped: {}", reason.unwrap_or_default()).red(),
            Status::Waiting { reason, .. } => format!("waiting: {reason}").yellow(),
            other => format!("{other:?}").to_lowercase().yellow(),
        };
        frame.render_widget(Line::from(vec![state, " · ".into(), self.notice.as_str().dim()]), foot);
    }

    fn chat_line(&self, chat: &Chat) -> ListItem<'static> {
        let is_online = chat.partner.as_ref().is_some_and(|partner| self.online.get(&partner.id) == Some(&true));
        let dot = Span::styled("● ", Style::new().fg(if is_online { Color::Green } else { Color::DarkGray }));
        let unread = if chat.unread_count > 0 { format!("({}) ", chat.unread_count) } else { String::new() };
        let style = if Some(chat.id) == self.open { Modifier::REVERSED } else { Modifier::empty() };
        ListItem::new(Line::from(vec![dot, unread.yellow(), Span::styled(title(chat), style)]))
    }

    fn message_lines(&self, partner: &str) -> Vec<Line<'static>> {
        let line = |message: &Message| {
            let time = message.created_at.format("%H:%M ").to_string().dark_gray();
            let author = if message.sender_id == self.me { "me: ".cyan() } else { format!("{partner}: ").magenta() };
            let text = if message.deleted { "deleted".dim() } else { Span::raw(message.text.replace('\n', " ")) };
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

/// Reads the terminal in a thread, which ends with the process.
fn inputs() -> mpsc::Receiver<Input> {
    let (sender, inputs) = mpsc::channel(64);
    thread::spawn(move || while event::read().is_ok_and(|input| sender.blocking_send(input).is_ok()) {});
    inputs
}
