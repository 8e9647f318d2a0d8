//! Fan-out of a message to all sockets of one chat.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    generator::receivers::{Receivers, Round},
    percentiles::Percentiles,
    report::{Bound, Figure, ms},
    usage::Cpu,
};

const NAME: &str = "fan-out";

/// The number of sockets that receive each message, without the sender.
const SOCKETS: usize = 1000;

/// The number of measured messages. One more is sent before, as warm-up.
const MESSAGES: u32 = 20;

/// The pause after the last handshake.
const SETTLE: Duration = Duration::from_secs(2);

/// The pause after each message.
const PAUSE: Duration = Duration::from_millis(100);

/// Measures the scenario. Each member of a direct chat has half of the sockets.
///
/// # Errors
/// A process does not start or ends, or a message does not reach all sockets.
pub(crate) async fn measure(options: &Options) -> Measured {
    let env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {MESSAGES} messages to {SOCKETS} sockets each");
    let population = env.pairs(1).await?;
    let tokens = population.tokens().into_iter().cycle().take(SOCKETS + 1).collect();
    let (fan_out, receivers) = FanOut::measure(&env, population.chats[0].id, tokens).await.context(NAME)?;
    env.stop().await?;
    Ok((fan_out.figures(NAME, Bound::AtMost(20.0)), failure(NAME, &receivers)))
}

/// Returns a description if a socket got a frame that it must not get.
pub(crate) fn failure(name: &str, receivers: &Receivers) -> Option<String> {
    let stray = receivers.stray();
    (stray > 0).then(|| format!("{name}: {stray} unexpected frames"))
}

/// Messages to all sockets of a chat, while nothing else happens.
pub(crate) struct FanOut {
    rounds: Vec<Round>,
    cpu: Cpu,
}

impl FanOut {
    /// Opens a socket for each token of a member of `chat`, and measures messages from the first to the others.
    ///
    /// # Errors
    /// A process has ended, or a message does not reach all sockets.
    pub(crate) async fn measure(env: &Env, chat: Uuid, tokens: Vec<String>) -> anyhow::Result<(Self, Receivers)> {
        let (addresses, processes) = (env.websockets(), env.processes()?);
        let measured = tokio::task::spawn_blocking(move || {
            let mut receivers = Receivers::open(&addresses, &tokens, chat)?;
            receivers.hold(Instant::now() + SETTLE)?;
            receivers.round()?;
            receivers.hold(Instant::now() + PAUSE)?;
            let sample = || Cpu::of(&processes, Some(nix::unistd::gettid().as_raw()));
            let (before, mut rounds) = (sample()?, Vec::new());
            for _ in 0..MESSAGES {
                rounds.push(receivers.round()?);
                receivers.hold(Instant::now() + PAUSE)?;
            }
            Ok((Self { rounds, cpu: sample()?.since(before) }, receivers))
        });
        measured.await?
    }

    /// Returns the figures. `target` is for the time from the first socket to the last.
    pub(crate) fn figures(&self, name: &'static str, target: Bound) -> Vec<Figure> {
        let spread = Percentiles::of(self.rounds.iter().map(|round| round.last.saturating_sub(round.first)));
        let all = Percentiles::of(self.rounds.iter().map(|round| round.last));
        let each = |time: Duration| ms(time) / f64::from(MESSAGES);
        let figure = |what: &str, value| Figure::new(name, what, value, "ms");
        vec![
            figure("last socket after the first, p50", ms(spread.p50)),
            figure("last socket after the first, p95", ms(spread.p95)).target(Some(target)),
            figure("last socket after the first, max", ms(spread.max)),
            figure("from the send to the last socket, p50", ms(all.p50)),
            figure("server CPU a message", each(self.cpu.servers())),
            figure("  chat-service", each(self.cpu.chat)),
            figure("  notification-service", each(self.cpu.notification)),
            figure("generator CPU a message", each(self.cpu.generator)),
        ]
    }
}
