//! `make bench`: measures the system under load and compares the figures with their targets.
//!
//! The generator shares the machine with the system, so it has to be cheap: one thread with one epoll and hand-made frames.
//! Its own CPU is printed with the other figures.

#![expect(clippy::disallowed_methods, reason = "the rules are for the services")]

mod crowd;
mod edits;
mod env;
mod fan_out;
mod generator;
mod growth;
mod limits;
mod lists;
mod load_run;
mod markers;
mod messages;
mod mix;
mod percentiles;
mod population;
mod reactions;
mod report;
mod rest;
mod scheduled;
mod sockets;
mod usage;
mod worker;

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

pub use self::worker::work;
use self::{population::MIN_GROUP, report::Figure};

/// The options of a run.
#[derive(Args, Debug)]
pub struct Options {
    /// Run only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Scenario>,
    /// How long to measure each load, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The number of messages that `growth` stores
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    rows: u64,
    /// The size of `groups`, `crowd`, `reactions`, `markers`, `lists` and `scheduled`, in percent. The figures of a smaller size have no meaning
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    size: u8,
    /// A file to write the figures to, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A directory in which the logs of the services are kept; by default they are deleted
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
}

impl Options {
    const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Returns a number of members or chats at the chosen size: enough for a group.
    fn scaled(&self, number: usize) -> usize {
        (number * usize::from(self.size) / 100).max(MIN_GROUP)
    }
}

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 200 pairs of users with one message in flight each
    #[value(name = "pairs-1")]
    Pairs1,
    /// 200 pairs of users with eight messages in flight each
    #[value(name = "pairs-8")]
    Pairs8,
    /// 500 messages/s between 200 pairs (open loop)
    #[value(name = "open-500")]
    Open500,
    /// 1,000 messages/s between 200 pairs (open loop)
    #[value(name = "open-1000")]
    Open1000,
    /// One direct chat with 128 messages in flight
    HotChat,
    /// 200 pairs of users with one message in flight each, then with one edit
    Edits,
    /// 200 pairs of users with eight messages in flight each: plain ones, then 5 % replies with a mention, 3 % reactions, 2 % edits
    Mix,
    /// 200 messages/s to 100 groups of 100 users (open loop)
    Groups,
    /// Lists of chats and groups, with and without deleted messages
    Lists,
    /// 100 requests/s to the chat endpoints at 500 messages/s
    Rest,
    /// 10,000 scheduled messages that are due in the same second, beside 500 messages/s
    Scheduled,
    /// 18,000 sockets on one instance
    Sockets,
    /// 50,000 sockets over three instances
    #[value(name = "sockets-3")]
    Sockets3,
    /// One message to 1,000 sockets of one chat
    FanOut,
    /// One message to 10,000 sockets of a group over two instances, and other chats beside it
    Crowd,
    /// 10,000 members of a group react to one message within 10 s
    Reactions,
    /// 10,000 members of a group send a receipt for each of up to 20 messages/s
    Markers,
    /// The limits of the machine: Postgres, Redis and a WebSocket relay, each alone
    Limits,
    /// A page of history, a list of chats, a send and an edit, with 1,000 and with 10 million stored messages; runs only if it is
    /// named, because storing them takes minutes
    Growth,
}

/// The figures of a scenario, and its failure, if any.
type Measured = anyhow::Result<(Vec<Figure>, Option<String>)>;

impl Scenario {
    async fn measure(self, options: &Options) -> Measured {
        match self {
            Self::Pairs1 => messages::measure(&messages::PAIRS_1, options).await,
            Self::Pairs8 => messages::measure(&messages::PAIRS_8, options).await,
            Self::Open500 => messages::measure(&messages::OPEN_500, options).await,
            Self::Open1000 => messages::measure(&messages::OPEN_1000, options).await,
            Self::HotChat => messages::measure(&messages::HOT_CHAT, options).await,
            Self::Groups => messages::measure(&messages::groups(options), options).await,
            Self::Edits => edits::measure(options).await,
            Self::Mix => mix::measure(options).await,
            Self::Lists => lists::measure(options).await,
            Self::Rest => rest::measure(options).await,
            Self::Scheduled => scheduled::measure(options).await,
            Self::Sockets => sockets::measure(&sockets::ONE_INSTANCE, options).await,
            Self::Sockets3 => sockets::measure(&sockets::THREE_INSTANCES, options).await,
            Self::FanOut => fan_out::measure(options).await,
            Self::Reactions => reactions::measure(options).await,
            Self::Markers => markers::measure(options).await,
            Self::Crowd => crowd::measure(options).await,
            Self::Limits => limits::measure(options).await,
            Self::Growth => growth::measure(options).await,
        }
    }
}

/// Runs the scenarios and prints the figures. Returns whether no message was lost and every target is met.
///
/// # Errors
/// A process does not start, or ends.
pub async fn run(options: &Options) -> anyhow::Result<bool> {
    if cfg!(debug_assertions) {
        println!("This is not a release build: the figures are meaningless.\n");
    }
    let all: Vec<_> =
        Scenario::value_variants().iter().copied().filter(|scenario| *scenario != Scenario::Growth).collect();
    let chosen = if options.only.is_empty() { &all } else { &options.only };
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    for scenario in chosen {
        let (found, failure) = scenario.measure(options).await?;
        println!("{}", report::table(&found));
        figures.extend(found);
        failures.extend(failure);
    }
    figures.extend(limits::ratios(&figures));
    if chosen.len() > 1 {
        println!("{}", report::table(&figures));
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if let Some(path) = &options.json {
        let json: serde_json::Value = figures.iter().map(Figure::json).collect();
        std::fs::write(path, format!("{json:#}\n")).with_context(|| path.display().to_string())?;
    }
    Ok(failures.is_empty() && figures.iter().all(|figure| figure.is_met() != Some(false)))
}
