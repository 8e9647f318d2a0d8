//! Parses input of clients into types, and reports all invalid fields together.

use std::{borrow::Cow, collections::HashSet, fmt, hash::Hash, ops::RangeInclusive, str::FromStr};

use chrono::{DateTime, Utc};
use neonchat_common::{
    error::{ApiError, FieldError},
    ids::Seq,
    message::MessageText,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, ObjectBuilder, RefOr, Schema, Type},
};

/// Why a value is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidationError {
    /// A stable code, such as `length` or `format`.
    pub(crate) code: &'static str,
    /// A description for people.
    pub(crate) message: Cow<'static, str>,
}

impl ValidationError {
    pub(crate) fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

/// All invalid fields of a request.
#[derive(Debug, Default)]
pub(crate) struct ValidationErrors(Vec<FieldError>);

impl ValidationErrors {
    /// Returns the value, or records the error of the field.
    pub(crate) fn check<T>(&mut self, field: &'static str, parsed: Result<T, ValidationError>) -> Option<T> {
        parsed.map_err(|error| self.push(field, error)).ok()
    }

    /// Returns whether no field is invalid.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records the error of a field.
    pub(crate) fn push(&mut self, field: &'static str, error: ValidationError) {
        let ValidationError { code, message } = error;
        self.0.push(FieldError { field: field.into(), code, message: message.into_owned() });
    }
}

impl From<ValidationErrors> for ApiError {
    fn from(invalid: ValidationErrors) -> Self {
        Self::invalid_fields(invalid.0)
    }
}

/// The maximum number of items on a page: from 1 to `MAX`; `DEFAULT` if the client gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageLimit<const DEFAULT: u32, const MAX: u32>(u32);

impl<const DEFAULT: u32, const MAX: u32> PageLimit<DEFAULT, MAX> {
    /// Parses a query parameter.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ValidationError> {
        parse_number(text, DEFAULT, 1..=MAX).map(Self)
    }

    /// Reads a field of a gRPC request, in which 0 means that no limit is given.
    pub(crate) fn from_wire(number: u32) -> Result<Self, ValidationError> {
        match number {
            0 => Ok(Self(DEFAULT)),
            number if number <= MAX => Ok(Self(number)),
            _ => Err(out_of_range(&(0..=MAX))),
        }
    }

    pub(crate) fn get(self) -> i64 {
        self.0.into()
    }

    /// Returns half of it, rounded up.
    pub(crate) fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }

    /// Returns what is left of it after this number of items; 0 finds out only whether there are more.
    pub(crate) fn minus(self, items: usize) -> Self {
        Self(self.0.saturating_sub(u32::try_from(items).unwrap_or(u32::MAX)))
    }

    /// Returns the limit of a query that finds out whether there is a further page.
    pub(crate) fn plus_one(self) -> i64 {
        self.get() + 1
    }

    /// Removes the extra item of such a query. Returns whether there was one.
    pub(crate) fn truncate<T>(self, items: &mut Vec<T>) -> bool {
        let limit = self.0 as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        has_more
    }

    /// Removes the extra item of such a query. Returns the place of the last item that is left, if there was one: the next page
    /// begins after it.
    pub(crate) fn next_place<T>(self, items: &mut Vec<T>, place: impl FnOnce(&T) -> String) -> Option<String> {
        let has_more = self.truncate(items);
        items.last().filter(|_| has_more).map(place)
    }
}

impl<const DEFAULT: u32, const MAX: u32> PartialSchema for PageLimit<DEFAULT, MAX> {
    fn schema() -> RefOr<Schema> {
        number_schema(1, MAX, DEFAULT).into()
    }
}

impl<const DEFAULT: u32, const MAX: u32> ToSchema for PageLimit<DEFAULT, MAX> {}

/// The number of items before a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset(u32);

impl Offset {
    /// Parses a query parameter; 0 if the client gives none.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ValidationError> {
        parse_number(text, 0, 0..=MAX_OFFSET).map(Self)
    }

    pub(crate) fn get(self) -> i64 {
        self.0.into()
    }
}

/// The maximum offset.
const MAX_OFFSET: u32 = i32::MAX.unsigned_abs();

impl PartialSchema for Offset {
    fn schema() -> RefOr<Schema> {
        number_schema(0, MAX_OFFSET, 0).into()
    }
}

impl ToSchema for Offset {}

fn number_schema(min: u32, max: u32, default: u32) -> Object {
    let number = ObjectBuilder::new().schema_type(Type::Integer).default(Some(default.into()));
    number.minimum(Some(min)).maximum(Some(max)).build()
}

fn parse_number<T>(text: Option<&str>, default: T, range: RangeInclusive<T>) -> Result<T, ValidationError>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let Some(text) = text else { return Ok(default) };
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| out_of_range(&range))
}

fn out_of_range<T: fmt::Display>(range: &RangeInclusive<T>) -> ValidationError {
    ValidationError::new("range", format!("should be a whole number from {} to {}", range.start(), range.end()))
}

/// Parses `true` or `false`; `false` if the client gives none.
pub(crate) fn parse_flag(text: Option<&str>) -> Result<bool, ValidationError> {
    match text {
        None => Ok(false),
        Some(text) => text.parse().map_err(|_| ValidationError::new("format", "should be true or false")),
    }
}

/// Parses a time.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, ValidationError> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| ValidationError::new("format", "should be a time in the form of RFC 3339"))
}

/// Parses the text of a message.
pub(crate) fn parse_text(text: String) -> Result<MessageText, ValidationError> {
    MessageText::try_from(text).map_err(|error| ValidationError::new(error.code(), error.to_string()))
}

/// Parses an id.
pub(crate) fn parse_id<T: FromStr>(text: &str) -> Result<T, ValidationError> {
    text.parse().map_err(|_| ValidationError::new("format", "should be a UUID"))
}

/// Parses an optional id. An empty text stands for none.
pub(crate) fn parse_optional_id<T: FromStr>(text: &str) -> Result<Option<T>, ValidationError> {
    if text.is_empty() { Ok(None) } else { parse_id(text).map(Some) }
}

/// Parses a list of at most `max` ids.
pub(crate) fn parse_ids<'a, T: FromStr>(
    ids: impl IntoIterator<Item = &'a str>,
    max: usize,
) -> Result<Vec<T>, ValidationError> {
    let ids: Vec<_> = ids.into_iter().take(max + 1).collect();
    if ids.len() > max {
        return Err(ValidationError::new("length", format!("should have at most {max} ids")));
    }
    ids.into_iter().map(parse_id).collect()
}

/// Parses a list of 1 to `max` ids. Repeated ones are dropped.
pub(crate) fn parse_distinct_ids<T: FromStr + Copy + Eq + Hash>(
    ids: &[String],
    max: usize,
) -> Result<Vec<T>, ValidationError> {
    let mut ids: Vec<T> = parse_ids(ids.iter().map(String::as_str), max)?;
    if ids.is_empty() {
        return Err(ValidationError::new("length", "should have at least 1 id"));
    }
    let mut known = HashSet::new();
    ids.retain(|id| known.insert(*id));
    Ok(ids)
}

/// Parses a `seq` in a query; 0, which is before the first event, if the client gives none.
pub(crate) fn parse_seq(text: Option<&str>) -> Result<Seq, ValidationError> {
    parse_number(text, 0, 0..=Seq::MAX)
}

/// Parses the `seq` of an event.
pub(crate) fn parse_event_seq(text: &str) -> Result<Seq, ValidationError> {
    parse_number(Some(text), 1, 1..=Seq::MAX)
}

/// Checks that a `seq` is not negative. 0 is before the first event.
pub(crate) fn check_seq(seq: i64) -> Result<Seq, ValidationError> {
    if seq < 0 { Err(ValidationError::new("range", "should not be negative")) } else { Ok(seq) }
}

/// Checks that a `seq` is one of an event.
pub(crate) fn check_event_seq(seq: i64) -> Result<Seq, ValidationError> {
    if seq < 1 { Err(ValidationError::new("range", "should be at least 1")) } else { Ok(seq) }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    type Limit = PageLimit<20, 100>;

    #[test]
    fn accepts_only_limits_within_the_range() {
        let get = |text| Limit::parse(text).map(PageLimit::get).ok();
        assert_eq!([None, Some("1"), Some("100")].map(get), [Some(20), Some(1), Some(100)]);
        for bad in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert_eq!(get(Some(bad)), None, "{bad}");
        }
        assert_eq!(Limit::from_wire(0), Ok(PageLimit(20)));
        assert!(Limit::from_wire(101).is_err());
    }

    #[test]
    fn extra_item_shows_a_further_page() {
        let limit = PageLimit::<2, 2>::from_wire(0).expect("read limit");
        for (found, has_more) in [(1, false), (2, false), (3, true)] {
            let mut items = vec![(); found];
            assert_eq!((limit.truncate(&mut items), items.len()), (has_more, found.min(2)));
        }
    }

    #[test]
    fn reports_all_invalid_fields_together() {
        let mut invalid = ValidationErrors::default();
        invalid.check("limit", Limit::parse(Some("0")));
        invalid.check("unread_only", parse_flag(Some("yes")));
        let error = ApiError::from(invalid);
        assert_eq!(error.fields.iter().map(|field| field.field.as_ref()).collect::<Vec<_>>(), ["limit", "unread_only"]);
    }
}
