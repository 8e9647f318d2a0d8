//! What a sender gives beside the text of a message, and its validation.

use std::collections::HashSet;

use neonchat_common::{
    error::ApiError,
    http::object::read_object,
    ids::{MessageId, UserId},
    json,
    message::MessageText,
};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extra::{Entity, EntityKind};
use crate::validation::{ValidationError, ValidationErrors, parse_id};

/// The most entities of a message.
const MAX_ENTITIES: usize = 100;

/// The most users whom a message mentions.
pub(crate) const MAX_MENTIONS: usize = 50;

/// The longest URL of a link, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// The longest name of a programming language, in characters.
const MAX_LANGUAGE_CHARS: usize = 32;

/// What a request gives beside the text. It is validated by [`GivenBody::parse`].
#[derive(Default, Deserialize)]
pub(crate) struct GivenBody {
    pub(crate) entities: Option<Vec<EntityBody>>,
    pub(crate) mentions: Option<Vec<String>>,
    pub(crate) reply_to: Option<String>,
    pub(crate) silent: Option<bool>,
}

/// An entity of a request.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEntity)]
pub(crate) struct EntityBody {
    /// What the part of the text is.
    #[serde(rename = "type")]
    #[schema(value_type = EntityKind)]
    kind: String,
    /// Where the part begins, in UTF-16 code units.
    #[schema(minimum = 0, examples(0))]
    offset: i64,
    /// The length of the part, in UTF-16 code units.
    #[schema(minimum = 1, examples(5))]
    length: i64,
    /// Where a `link` leads: a URL with the scheme http, https or mailto.
    #[schema(max_length = 2048, examples("https://example.com/"))]
    url: Option<String>,
    /// Whom a `mention` names.
    #[schema(value_type = Option<UserId>)]
    user_id: Option<String>,
    /// The programming language of a `pre`.
    #[schema(max_length = 32, examples("rust"))]
    language: Option<String>,
}

/// What a sender gives beside the text of a message. Absent members say nothing.
// Without `Debug`, so that no log contains what a message says.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Given {
    /// The formatting of the text. Absent if the server has to find the mentions in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) entities: Option<Vec<Entity>>,
    /// Whom it mentions beside those whom its text or entities mention. Each once, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) mentions: Vec<UserId>,
    /// The id of the message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) reply_to: Option<MessageId>,
    /// Whether clients show the message without a sound. Absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub(crate) silent: bool,
}

impl GivenBody {
    /// Reads what a gRPC request has in `extra_json`.
    pub(crate) fn read(json: &str) -> Result<Self, ApiError> {
        if json.is_empty() { Ok(Self::default()) } else { read_object(json) }
    }

    /// Validates what is given beside a text, and records what is invalid. Returns `None` if nothing is given.
    pub(crate) fn parse(self, text: Option<&MessageText>, invalid: &mut ValidationErrors) -> Option<Box<Given>> {
        let given = Given {
            entities: parse_entities_of(self.entities, text, invalid),
            mentions: invalid.check("mentions", parse_mentions(&self.mentions.unwrap_or_default())).unwrap_or_default(),
            reply_to: self.reply_to.and_then(|id| invalid.check("reply_to", parse_id(&id))),
            silent: self.silent.unwrap_or_default(),
        };
        (given != Given::default()).then(|| Box::new(given))
    }
}

fn parse_mentions(ids: &[String]) -> Result<Vec<UserId>, ValidationError> {
    if ids.len() > MAX_MENTIONS {
        return Err(ValidationError::new("length", format!("should have at most {MAX_MENTIONS} ids")));
    }
    let mut ids = ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Validates the entities that are given for a text, and records what is invalid. Returns `None` if none are given, or it is.
pub(crate) fn parse_entities_of(
    entities: Option<Vec<EntityBody>>,
    text: Option<&MessageText>,
    invalid: &mut ValidationErrors,
) -> Option<Vec<Entity>> {
    // Without a valid text, only that error is reported.
    let (Some(entities), Some(text)) = (entities, text) else { return None };
    invalid.check("entities", parse_entities(entities, text.as_str()))
}

/// Validates the entities of a text. They are in ascending order, within the text, and split no character.
fn parse_entities(entities: Vec<EntityBody>, text: &str) -> Result<Vec<Entity>, ValidationError> {
    if entities.len() > MAX_ENTITIES {
        return Err(ValidationError::new("length", format!("should have at most {MAX_ENTITIES} entities")));
    }
    let boundaries = boundaries(text);
    let entities = entities.into_iter().map(|entity| entity.parse(&boundaries)).collect::<Result<Vec<_>, _>>()?;
    if !entities.is_sorted_by_key(|entity| entity.offset) {
        return Err(ValidationError::new("order", "should be in ascending order of their offsets"));
    }
    let mentioned: HashSet<_> = entities.iter().filter_map(|entity| entity.user_id).collect();
    if mentioned.len() > MAX_MENTIONS {
        return Err(ValidationError::new("length", format!("should mention at most {MAX_MENTIONS} users")));
    }
    Ok(entities)
}

/// Returns the offsets at which characters of a text begin, and that of its end, in UTF-16 code units.
fn boundaries(text: &str) -> HashSet<i64> {
    let mut offset = 0;
    let mut next = |c: char| {
        offset += if c.len_utf16() == 1 { 1 } else { 2 };
        offset
    };
    std::iter::once(0).chain(text.chars().map(&mut next)).collect()
}

impl EntityBody {
    fn parse(self, boundaries: &HashSet<i64>) -> Result<Entity, ValidationError> {
        let violation = |code, message| Err(ValidationError::new(code, message));
        let Self { kind, offset, length, url, user_id, language } = self;
        let Ok(kind) = serde_json::from_value(kind.into()) else {
            return violation("type", "has an entity of an unknown type");
        };
        let end = offset.checked_add(length);
        let is_within = length >= 1 && end.is_some_and(|end| boundaries.contains(&end)) && boundaries.contains(&offset);
        let (Ok(offset), Ok(length)) = (offset.try_into(), length.try_into()) else {
            return violation("range", "has an entity outside of the text");
        };
        if !is_within {
            return violation("range", "has an entity outside of the text, or one that splits a character");
        }
        let url = (kind == EntityKind::Link).then_some(url).flatten();
        let user_id = (kind == EntityKind::Mention).then_some(user_id).flatten();
        match kind {
            EntityKind::Link if !url.as_deref().is_some_and(is_allowed_url) => {
                return violation("url", "has a link without a URL of at most 2048 bytes with http, https or mailto");
            }
            EntityKind::Mention if user_id.is_none() => {
                return violation("user_id", "has a mention without user_id");
            }
            _ => {}
        }
        let user_id = user_id.map(|id| parse_id(&id)).transpose()?;
        let language = (kind == EntityKind::Pre).then_some(language).flatten();
        if language.as_ref().is_some_and(|language| {
            language.is_empty() || language.chars().count() > MAX_LANGUAGE_CHARS || language.contains(char::is_control)
        }) {
            return violation("language", "has a language that does not have 1 to 32 characters");
        }
        Ok(Entity { kind, offset, length, url, user_id, language })
    }
}

/// Returns whether a link may lead there. Other schemes may run code in a client.
fn is_allowed_url(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_known = scheme.is_some_and(|scheme| ["http", "https", "mailto"].contains(&scheme.as_str()));
    is_known && url.len() <= MAX_URL_BYTES && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl Given {
    /// Returns a digest of it, by which a repetition is recognized. The content is the sender's own, so nobody gains from a
    /// collision.
    pub(crate) fn digest(&self) -> i64 {
        digest_of(self)
    }
}

/// Returns a digest of what a sender gives.
pub(crate) fn digest_of(content: &impl Serialize) -> i64 {
    let digest = digest(&SHA256, json::text(content).as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(text: &str, entity: Value) -> Result<Vec<Entity>, &'static str> {
        let entity = serde_json::from_value(entity).expect("read entity");
        parse_entities(vec![entity], text).map_err(|error| error.code)
    }

    #[test]
    fn offsets_are_utf16_code_units() {
        let bold = |offset: i64, length: i64| json!({ "type": "bold", "offset": offset, "length": length });
        // The emoji takes two units.
        let text = "a😀я";
        for (offset, length) in [(0, 1), (1, 2), (3, 1), (0, 4)] {
            assert!(parse(text, bold(offset, length)).is_ok(), "{offset}, {length}");
        }
        for (offset, length) in [(0, 2), (2, 1), (0, 5), (4, 1), (0, 0), (-1, 1), (1, -1), (i64::MAX, 1)] {
            assert_eq!(parse(text, bold(offset, length)).err(), Some("range"), "{offset}, {length}");
        }
    }

    #[test]
    fn keeps_only_what_belongs_to_the_type() {
        let user = UserId::new();
        let all = |kind| json!({ "type": kind, "offset": 0, "length": 2, "url": "HTTPS://x.org/", "user_id": user, "language": "c" });
        for (kind, url, mention, language) in [
            ("bold", false, false, false),
            ("link", true, false, false),
            ("mention", false, true, false),
            ("pre", false, false, true),
        ] {
            let entity = parse("ab", all(kind)).map_err(str::to_owned).expect("parse entity").remove(0);
            let has = (entity.url.is_some(), entity.user_id.is_some(), entity.language.is_some());
            assert_eq!(has, (url, mention, language), "{kind}");
        }
    }

    #[test]
    fn rejects_links_that_may_run_code() {
        let link = |url: &str| json!({ "type": "link", "offset": 0, "length": 1, "url": url });
        assert!(parse("x", link("mailto:a@example.com")).is_ok());
        let long = format!("https://{}", "a".repeat(MAX_URL_BYTES));
        for url in ["javascript:alert(1)", "java\nscript:x", "data:text/html,x", "//x", "", "http://a b", &long] {
            assert_eq!(parse("x", link(url)).err(), Some("url"), "{url}");
        }
        assert_eq!(parse("x", json!({ "type": "link", "offset": 0, "length": 1 })).err(), Some("url"));
        assert_eq!(parse("x", json!({ "type": "mention", "offset": 0, "length": 1 })).err(), Some("user_id"));
        assert_eq!(parse("x", json!({ "type": "blink", "offset": 0, "length": 1 })).err(), Some("type"));
    }

    #[test]
    fn rejects_too_many_or_unsorted_entities() {
        let at = |offset: i64| serde_json::from_value(json!({ "type": "bold", "offset": offset, "length": 1 }));
        let entities = |offsets: &[i64]| offsets.iter().map(|offset| at(*offset).expect("read entity")).collect();
        let code = |entities| parse_entities(entities, "abc").map_err(|error| error.code).err();
        assert_eq!(code(entities(&[0, 0, 2])), None);
        assert_eq!(code(entities(&[2, 0])), Some("order"));
        assert_eq!(code(entities(&[0; MAX_ENTITIES + 1])), Some("length"));
    }

    #[test]
    fn digest_depends_on_all_that_is_given() {
        let body = |json: Value| {
            let body: GivenBody = serde_json::from_value(json).expect("read body");
            let text = "ab".to_owned().try_into().expect("parse text");
            let mut invalid = ValidationErrors::default();
            let given = body.parse(Some(&text), &mut invalid);
            assert!(invalid.is_empty());
            given.map(|given| given.digest())
        };
        let (a, b) = (UserId::new(), UserId::new());
        assert_eq!(body(json!({})), None);
        assert_eq!(body(json!({ "silent": false, "mentions": [] })), None);
        let digests = HashSet::from([
            body(json!({ "silent": true })),
            body(json!({ "entities": [] })),
            body(json!({ "entities": [{ "type": "bold", "offset": 0, "length": 1 }] })),
            body(json!({ "entities": [{ "type": "bold", "offset": 0, "length": 2 }] })),
            body(json!({ "mentions": [a] })),
            body(json!({ "mentions": [b] })),
            body(json!({ "reply_to": MessageId::new() })),
        ]);
        assert!(digests.len() == 7 && !digests.contains(&None));
        assert_eq!(body(json!({ "mentions": [a, b] })), body(json!({ "mentions": [b, a, b] })));
    }
}
