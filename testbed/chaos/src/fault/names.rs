//! The names of the faults on the command line and in reports.

use std::{fmt, str::FromStr};

use super::{Fault, LinkFault, Target};

impl LinkFault {
    const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Slow => "slow",
            Self::Throttle => "throttle",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "chat",
            Self::Notification => "notification",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Kill(target) => write!(f, "kill-{target}"),
            Self::Freeze(target) => write!(f, "freeze-{target}"),
            Self::Link(link, link_fault) => write!(f, "{}-{}", link_fault.name(), link.name()),
            Self::PostgresStop => f.write_str("postgres-stop"),
            Self::PostgresReadOnly => f.write_str("postgres-read-only"),
            Self::RedisRestart => f.write_str("redis-restart"),
            Self::RedisFlush => f.write_str("redis-flush"),
            Self::RedisCutSubscribers => f.write_str("redis-cut-subscribers"),
            Self::AddInstance => f.write_str("add-instance"),
            Self::RemoveInstance => f.write_str("remove-instance"),
            Self::Rolling => f.write_str("rolling"),
            Self::DiskFull => f.write_str("disk-full"),
            Self::Clock(hours) => f.write_str(if *hours > 0 { "clock-ahead" } else { "clock-behind" }),
            Self::Resend => f.write_str("resend"),
            Self::BadFrames => f.write_str("bad-frames"),
            Self::HalfOpen => f.write_str("half-open"),
            Self::Silence => f.write_str("silence"),
            Self::Crowd => f.write_str("crowd"),
            Self::FrozenReader => f.write_str("frozen-reader"),
            Self::Storm => f.write_str("storm"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::all();
        all.iter().copied().find(|fault| fault.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("unknown fault. Known faults: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_name_of_each_fault() {
        let all = Fault::all();
        assert!(all.iter().all(|fault| fault.to_string().parse() == Ok(*fault)));
        let error = "earthquake".parse::<Fault>().expect_err("parse an unknown fault");
        assert!(error.contains("kill-chat, ") && error.contains("cut-chat-grpc"), "{error}");
    }
}
