//! Property tests: the parsers keep their guarantees for any input, and do not panic.

use std::time::Duration;

use neonchat_common::{
    bus::{Channel, Envelope, Event},
    correlation::CorrelationId,
    ids::{ChatId, DeploymentId, SendId, UserId},
    message::{MAX_CHARS, MessageText},
    origin::AllowedOrigins,
    settings::SettingsSource,
    time,
    token::{self, TokenError, Tokens},
    visible::has_visible,
};
use proptest::prelude::*;
use serde_json::value::RawValue;

proptest! {
    #[test]
    fn text_has_1_to_4096_characters_one_visible_and_no_nul(text in prop_oneof![any::<String>(), "[aя😀\0]{0,5000}", "[ \u{3164}a]{0,3}"]) {
        let is_valid = (1..=MAX_CHARS).contains(&text.chars().count()) && !text.contains('\0') && has_visible(&text);
        let read = MessageText::try_from(text.clone());
        prop_assert_eq!(read.is_ok(), is_valid);
        prop_assert!(read.map_or(true, |read| read.into_string() == text));
    }

    #[test]
    fn request_id_fits_into_header_and_log_line(given in prop_oneof![any::<String>(), "[!-~]{0,200}"]) {
        let id = CorrelationId::accept(Some(&given));
        let id = id.as_str();
        prop_assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        prop_assert!(!id.contains(['"', '\\']), "{id}");
    }

    #[test]
    fn channel_round_trips(name in prop_oneof![any::<String>(), "(chat|user|system):?[0-9a-f-]{0,40}"]) {
        if let Some(channel) = Channel::parse(&name) {
            prop_assert_eq!(Channel::parse(&channel.to_string()), Some(channel));
        }
    }

    #[test]
    fn envelope_round_trips(seq in any::<i64>(), id in "[!-~&&[^\"\\\\]]{1,128}", text in any::<String>()) {
        let frame = serde_json::json!({ "type": "new_message", "text": text }).to_string();
        let frame: &RawValue = serde_json::from_str(&frame).expect("parse JSON");
        let (user_id, send_id) = (UserId::new(), Some(SendId::new()));
        let event = Event::Durable {
            seq,
            user_id,
            send_id,
            change_id: None,
            frame,
            actor_frame: None,
            hidden: None,
            membership: None,
            expires_at: None,
        };
        let (deployment, request_id) = (Some(DeploymentId::new()), id.as_str().into());
        let envelope = Envelope { instance: None, deployment, request_id, traceparent: None, event };
        let encoded = envelope.encode();
        let back: Envelope<'_> = serde_json::from_str(&encoded).expect("parse envelope");
        let Event::Durable { seq: read_seq, user_id: read_user, send_id: read_send, frame: read, .. } = back.event else {
            panic!("event has another type");
        };
        prop_assert_eq!((read_seq, read_user, read_send, read.get()), (seq, user_id, send_id, frame.get()));
        prop_assert_eq!(back.request_id, id);
    }

    #[test]
    fn envelope_parser_accepts_or_rejects_any_text(text in any::<String>()) {
        let _: Result<Envelope<'_>, _> = serde_json::from_str(&text);
    }

    #[test]
    fn rejects_arbitrary_origin(origin in any::<String>(), host in any::<String>()) {
        let allowed = AllowedOrigins::parse(["https://chat.example.org"]).expect("parse origins");
        let is_ours = origin.eq_ignore_ascii_case("https://chat.example.org");
        prop_assert!(!allowed.lists(&origin) || is_ours);
        prop_assert!(!AllowedOrigins::default().allows(&origin, Some(&host)) || origin.starts_with("http"));
    }

    #[test]
    fn rejects_arbitrary_token(header in prop_oneof![any::<String>(), "[Bb]earer [A-Za-z0-9_-]{0,90}[.][A-Za-z0-9_-]{0,90}[.][A-Za-z0-9_-]{0,60}"]) {
        let tokens = Tokens::new(&"secret".into(), Duration::from_mins(1));
        if let Ok(token) = token::bearer(&header) {
            prop_assert_eq!(tokens.verify(token), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn rejects_token_with_changed_character(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let tokens = Tokens::new(&"secret".into(), Duration::from_mins(1));
        let token = tokens.issue(UserId::new(), "alice").expect("issue token");
        // The last character has bits that are not part of the signature.
        let at = at.index(token.len() - 1);
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert!(changed == token || tokens.verify(&changed).is_err());
    }

    #[test]
    fn id_round_trips(text in prop_oneof![any::<String>(), "[0-9a-fA-F-]{30,40}"]) {
        if let Ok(id) = text.parse::<ChatId>() {
            prop_assert_eq!(id.to_string().parse::<ChatId>(), Ok(id));
        }
    }

    #[test]
    fn text_of_times_has_constant_length_and_sorts_by_time(a in 0..4_102_444_800_000_000_i64, b in 0..4_102_444_800_000_000_i64) {
        let [first, second] = [a, b].map(|micros| time::rfc3339(&time::from_micros(micros).expect("time in range")));
        prop_assert_eq!(first.len(), second.len());
        prop_assert_eq!(first.cmp(&second), a.cmp(&b));
    }

    #[test]
    fn setting_is_within_range_or_named(value in prop_oneof![any::<String>(), "[0-9]{1,6}(ms|s|m|h)?"]) {
        let mut source = SettingsSource::from_values([("NUMBER", value.as_str()), ("SPAN", value.as_str())]);
        let number: u32 = source.number("NUMBER", 5, 1, 10);
        let span = source.duration("SPAN", Duration::from_secs(5), Duration::from_mins(1));
        prop_assert!((1..=10).contains(&number) && span <= Duration::from_mins(1));
        if let Err(bad) = source.finish() {
            prop_assert!(bad.to_string().lines().all(|line| line.starts_with("NUMBER") || line.starts_with("SPAN")), "{bad}");
        }
    }
}
