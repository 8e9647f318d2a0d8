//! A group with 10,000 members online over two instances, and other chats beside it.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{
    Measured, Options,
    env::Env,
    fan_out::{self, FanOut},
    generator::{
        Load, Plan,
        receivers::{Receivers, Round},
    },
    load_run::{LoadRun, run_load},
    population::{Population, disjoint},
    report::{Bound, Figure, ms},
};

const NAME: &str = "crowd";

/// The number of members, and of sockets that receive each message: the sender has another one.
const MEMBERS: usize = 10_000;

const INSTANCES: usize = 2;

/// The number of other pairs of users. The two of a pair are on different instances.
const PAIRS: usize = 20;

/// The load of the other pairs.
const LOAD: Load = Load::Open { per_second: 200 };

/// The pause after each message to the group, while the other pairs are measured.
const PAUSE: Duration = Duration::from_secs(1);

/// The maximum ratio of the delivery times of the other pairs with and without messages to the group.
const RATIO: Bound = Bound::AtMost(2.0);

/// Measures the scenario: messages to the group alone, then the other pairs alone, then both.
///
/// # Errors
/// A process does not start or ends, or a message does not reach all sockets.
pub(crate) async fn measure(options: &Options) -> Measured {
    let (env, members) = (Env::start(INSTANCES, options.logs.as_deref()).await?, options.scaled(MEMBERS));
    println!("{NAME}: a group of {members} over {INSTANCES} instances; beside it {LOAD:?}, {PAIRS} pairs");
    let (group, pairs) = (env.chats(disjoint(1, members)).await?, env.pairs(PAIRS).await?);
    let tokens = group.tokens().into_iter().cycle().take(members + 1).collect();
    let (fan_out, receivers) = FanOut::measure(&env, group.chats[0].id, tokens).await.context(NAME)?;
    let (alone, receivers) = others(&env, &pairs, options.duration(), receivers, false).await.context("alone")?;
    let (beside, receivers) = others(&env, &pairs, options.duration(), receivers, true).await.context("beside")?;
    env.stop().await?;

    let mut figures = fan_out.figures(NAME, Bound::AtMost(120.0));
    figures.extend(figures_of_others(&alone, &beside));
    let failure = fan_out::failure(NAME, &receivers).or(alone.failure).or(beside.failure);
    Ok((figures, failure))
}

/// The load of the other pairs, and the messages to the group beside it.
struct Others {
    run: LoadRun,
    rounds: Vec<Round>,
    failure: Option<String>,
}

/// Runs the load of the other pairs, with messages to the group if it `is_beside` them.
async fn others(
    env: &Env,
    pairs: &Population,
    duration: Duration,
    mut receivers: Receivers,
    is_beside: bool,
) -> anyhow::Result<(Others, Receivers)> {
    let before = env.stored().await?;
    let plan = Plan::new(env.websockets(), pairs, LOAD);
    let group = run_load(env, plan, duration, async |time| {
        // A thread of its own: the generator of the pairs must not wait while this one reads.
        let sent = tokio::task::spawn_blocking(move || {
            receivers.hold(if is_beside { time.start } else { time.end })?;
            let mut rounds = Vec::new();
            while Instant::now() < time.end {
                rounds.push(receivers.round()?);
                receivers.hold(time.end.min(Instant::now() + PAUSE))?;
            }
            anyhow::Ok((rounds, receivers))
        });
        sent.await?
    });
    let (run, (rounds, receivers)) = group.await?;
    let stored = env.stored().await?.saturating_sub(before + rounds.len());
    let failure = run.failure(NAME, stored);
    Ok((Others { run, rounds, failure }, receivers))
}

fn figures_of_others(alone: &Others, beside: &Others) -> Vec<Figure> {
    let rounds = beside.rounds.iter().map(|round| {
        let sent = round.sent.saturating_duration_since(beside.run.epoch);
        sent..sent + round.last
    });
    let during = beside.run.journal.delivery_during(&rounds.collect::<Vec<_>>()).p95;
    let (alone, beside) = (alone.run.delivery().p95, beside.run.delivery().p95);
    let ratio = |time: Duration| time.as_secs_f64() / alone.as_secs_f64();
    vec![
        Figure::new(NAME, "delivery p95 of other chats, alone", ms(alone), "ms"),
        Figure::new(NAME, "  with a message a second to the group", ms(beside), "ms"),
        Figure::new(NAME, "  the same, to alone", ratio(beside), "times").target(Some(RATIO)),
        Figure::new(NAME, "  while a message reaches the group", ms(during), "ms"),
        Figure::new(NAME, "  the same, to alone", ratio(during), "times"),
    ]
}
