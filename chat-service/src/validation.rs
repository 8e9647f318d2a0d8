//! Reading what a client sent into types, and telling the client of all that is wrong with it at once.

use std::{borrow::Cow, fmt, ops::RangeInclusive, str::FromStr};

use neonchat_common::{
    error::{ApiError, FieldError},
    ids::Seq,
    message::MessageText,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, ObjectBuilder, RefOr, Schema, Type},
};

/// The rule that a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidationError {
    /// A stable code: `length`, `format` …
    pub(crate) code: &'static str,
    /// For a person.
    pub(crate) message: Cow<'static, str>,
}

impl ValidationError {
    /// The rule of this code.
    #[must_use]
    pub(crate) fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct ValidationErrors(Vec<FieldError>);

impl ValidationErrors {
    /// Takes the value, or notes which rule the field breaks.
    pub(crate) fn check<T>(&mut self, field: &'static str, parsed: Result<T, ValidationError>) -> Option<T> {
        parsed.map_err(|violation| self.note(field, violation)).ok()
    }

    /// Notes that a field breaks a rule.
    pub(crate) fn note(&mut self, field: &'static str, violation: ValidationError) {
        let ValidationError { code, message } = violation;
        self.0.push(FieldError { field: field.into(), code, message: message.into_owned() });
    }
}

impl From<ValidationErrors> for ApiError {
    fn from(invalid: ValidationErrors) -> Self {
        Self::invalid_fields(invalid.0)
    }
}

/// How many items a page has at most: from 1 to `MAX`, and `DEFAULT` where the client does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageLimit<const DEFAULT: u32, const MAX: u32>(u32);

impl<const DEFAULT: u32, const MAX: u32> PageLimit<DEFAULT, MAX> {
    /// Reads one from a query.
    ///
    /// # Errors
    /// It is no number, or out of range.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ValidationError> {
        parse_number(text, DEFAULT, 1..=MAX).map(Self)
    }

    /// Reads one from a gRPC request, where 0 stands for a number that is not given.
    ///
    /// # Errors
    /// It is greater than `MAX`.
    pub(crate) fn from_wire(number: u32) -> Result<Self, ValidationError> {
        match number {
            0 => Ok(Self(DEFAULT)),
            number if number <= MAX => Ok(Self(number)),
            _ => Err(out_of_range(&(0..=MAX))),
        }
    }

    /// The number.
    #[must_use]
    pub(crate) fn get(self) -> i64 {
        self.0.into()
    }

    /// One more than the page has: whether it is found tells whether there is a further page.
    #[must_use]
    pub(crate) fn plus_one(self) -> i64 {
        self.get() + 1
    }

    /// Cuts off the one more that was asked for. Returns whether it was there.
    pub(crate) fn truncate<T>(self, items: &mut Vec<T>) -> bool {
        let limit = self.0 as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        has_more
    }
}

impl<const DEFAULT: u32, const MAX: u32> PartialSchema for PageLimit<DEFAULT, MAX> {
    fn schema() -> RefOr<Schema> {
        number_schema(1, MAX, DEFAULT).into()
    }
}

impl<const DEFAULT: u32, const MAX: u32> ToSchema for PageLimit<DEFAULT, MAX> {}

/// How many items come before a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset(u32);

impl Offset {
    /// Reads one from a query; 0 where the client does not say.
    ///
    /// # Errors
    /// It is no number, or out of range.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ValidationError> {
        parse_number(text, 0, 0..=MAX_OFFSET).map(Self)
    }

    /// The number.
    #[must_use]
    pub(crate) fn get(self) -> i64 {
        self.0.into()
    }
}

/// The greatest offset.
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

/// Reads `true` or `false`; `false` where the client does not say.
///
/// # Errors
/// It is neither.
pub(crate) fn parse_flag(text: Option<&str>) -> Result<bool, ValidationError> {
    match text {
        None => Ok(false),
        Some(text) => text.parse().map_err(|_| ValidationError::new("format", "should be true or false")),
    }
}

/// Reads the text of a message.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn parse_text(text: String) -> Result<MessageText, ValidationError> {
    MessageText::try_from(text).map_err(|error| ValidationError::new(error.code(), error.to_string()))
}

/// Reads an id.
///
/// # Errors
/// It is no UUID.
pub(crate) fn parse_id<T: FromStr>(text: &str) -> Result<T, ValidationError> {
    text.parse().map_err(|_| ValidationError::new("format", "should be a UUID"))
}

/// Reads an id that may be left out, as an empty text.
///
/// # Errors
/// It is no UUID.
pub(crate) fn parse_optional_id<T: FromStr>(text: &str) -> Result<Option<T>, ValidationError> {
    if text.is_empty() { Ok(None) } else { parse_id(text).map(Some) }
}

/// Reads a list of ids.
///
/// # Errors
/// They are more than `max`, or one is no UUID.
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

/// Reads a `seq` from a query; 0, the place before the first, where the client does not say.
///
/// # Errors
/// It is no number, or negative.
pub(crate) fn parse_seq(text: Option<&str>) -> Result<Seq, ValidationError> {
    parse_number(text, 0, 0..=Seq::MAX)
}

/// A `seq`, or 0 for the place before the first.
///
/// # Errors
/// It is negative.
pub(crate) fn check_seq(seq: i64) -> Result<Seq, ValidationError> {
    if seq < 0 { Err(ValidationError::new("range", "should not be negative")) } else { Ok(seq) }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    type Limit = PageLimit<20, 100>;

    #[test]
    fn a_limit_is_within_its_range() {
        let get = |text| Limit::parse(text).map(PageLimit::get).ok();
        assert_eq!([None, Some("1"), Some("100")].map(get), [Some(20), Some(1), Some(100)]);
        for bad in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert_eq!(get(Some(bad)), None, "{bad}");
        }
        assert_eq!(Limit::from_wire(0), Ok(PageLimit(20)));
        assert!(Limit::from_wire(101).is_err());
    }

    #[test]
    fn the_one_more_tells_of_a_further_page() {
        let limit = PageLimit::<2, 2>::from_wire(0).expect("a limit");
        for (found, has_more) in [(1, false), (2, false), (3, true)] {
            let mut items = vec![(); found];
            assert_eq!((limit.truncate(&mut items), items.len()), (has_more, found.min(2)));
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut invalid = ValidationErrors::default();
        invalid.check("limit", Limit::parse(Some("0")));
        invalid.check("unread_only", parse_flag(Some("yes")));
        let error = ApiError::from(invalid);
        assert_eq!(error.fields.iter().map(|field| field.field.as_ref()).collect::<Vec<_>>(), ["limit", "unread_only"]);
    }
}
