//! One message to a thousand sockets of one chat.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use super::{
    Measured, Options,
    generator::{
        TEXT_LENGTH,
        connections::{Connections, Listener},
        frame::{self, Heard, Template},
        socket::Socket,
    },
    percentiles::Percentiles,
    report::{Bound, Figure, ms},
    stage::Stage,
    usage::Cpu,
};

const NAME: &str = "fan-out";

/// Sockets that get each message, beside the one that sends it.
const SOCKETS: usize = 1000;

/// Messages that are measured, and one before that is not.
const MESSAGES: u64 = 20;

/// Before the first message, and from one to the next.
const SETTLE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// The longest that a message takes to all.
const LIMIT: Duration = Duration::from_secs(10);

/// Measures it. Both members of the chat have half of the sockets each.
///
/// # Errors
/// Something does not start, or ends; a message does not come to all.
pub(crate) async fn measure(options: &Options) -> Measured {
    let stage = Stage::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {MESSAGES} messages to {SOCKETS} sockets each");
    let population = stage.pairs(1).await?;
    let (address, chat) = (stage.websocket(), population.pairs[0].chat);
    let tokens: Vec<_> = population.tokens().into_iter().cycle().take(SOCKETS + 1).collect();
    let processes = stage.processes()?;
    let crowd = tokio::task::spawn_blocking(move || {
        let (mut connections, mut crowd) = (Connections::new()?, Crowd::new(chat));
        connections.open_all(address, &tokens, &mut crowd)?;
        wait(SETTLE, &mut connections, &mut crowd)?;
        crowd.round(&mut connections)?;
        wait(PAUSE, &mut connections, &mut crowd)?;
        let look = || Cpu::of(&processes, Some(nix::unistd::gettid().as_raw()));
        let before = look()?;
        let mut rounds = Vec::new();
        for _ in 0..MESSAGES {
            rounds.push(crowd.round(&mut connections)?);
            wait(PAUSE, &mut connections, &mut crowd)?;
        }
        anyhow::Ok((rounds, look()?.since(before), crowd.stray))
    });
    let (rounds, cpu, stray) = crowd.await?.context(NAME)?;
    stage.stop().await?;

    let spread = Percentiles::of(rounds.iter().map(|round| round.last.saturating_sub(round.first)));
    let all = Percentiles::of(rounds.iter().map(|round| round.last));
    let each = |time: Duration| ms(time) / f64::from(u32::try_from(MESSAGES).unwrap_or(u32::MAX));
    let figures = vec![
        Figure::new(NAME, "last socket after the first, p50", ms(spread.p50), "ms"),
        Figure::new(NAME, "last socket after the first, p95", ms(spread.p95), "ms").target(Some(Bound::AtMost(20.0))),
        Figure::new(NAME, "last socket after the first, max", ms(spread.max), "ms"),
        Figure::new(NAME, "from the send to the last socket, p50", ms(all.p50), "ms"),
        Figure::new(NAME, "server CPU a message", each(cpu.servers()), "ms"),
        Figure::new(NAME, "generator CPU a message", each(cpu.generator), "ms"),
    ];
    Ok((figures, (stray > 0).then(|| format!("{NAME}: {stray} frames that have no place in a run"))))
}

/// When a message was there, since it was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    first: Duration,
    last: Duration,
    received: usize,
    acked: bool,
}

/// Those who listen.
struct Crowd {
    chat: Uuid,
    template: Template,
    /// The number of the next message.
    next: u64,
    /// How many messages each socket has got: exactly those before the next one.
    got: Vec<u64>,
    sent: Instant,
    round: Round,
    /// What came twice, to the sender, or has no place here.
    stray: usize,
}

impl Crowd {
    fn new(chat: Uuid) -> Self {
        let (template, got) = (Template::new(TEXT_LENGTH), vec![0; SOCKETS + 1]);
        Self { chat, template, next: 0, got, sent: Instant::now(), round: Round::default(), stray: 0 }
    }

    /// Sends a message by the first socket, and waits until all others have it.
    fn round(&mut self, connections: &mut Connections) -> anyhow::Result<Round> {
        self.round = Round::default();
        self.sent = Instant::now();
        connections.sockets[0].write(self.template.message(self.chat, self.next))?;
        while self.round.received < SOCKETS || !self.round.acked {
            connections.turn(self)?;
            ensure!(self.sent.elapsed() < LIMIT, "a message came to {} sockets of {SOCKETS}", self.round.received);
        }
        self.next += 1;
        Ok(self.round)
    }
}

impl Listener for Crowd {
    fn hear(&mut self, socket: usize, payload: &[u8], _: &mut [Socket]) -> anyhow::Result<()> {
        match frame::read(payload) {
            Heard::Acked(number) if socket == 0 && number == self.next => self.round.acked = true,
            Heard::Delivered(number) if socket != 0 && number == self.next && self.got[socket] == number => {
                self.got[socket] += 1;
                self.round.received += 1;
                self.round.last = self.sent.elapsed();
                if self.round.received == 1 {
                    self.round.first = self.round.last;
                }
            }
            Heard::Aside => {}
            _ => self.stray += 1,
        }
        Ok(())
    }
}

fn wait(time: Duration, connections: &mut Connections, listener: &mut impl Listener) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        connections.wake_after(end.saturating_duration_since(Instant::now()))?;
        connections.turn(listener)?;
    }
    Ok(())
}
