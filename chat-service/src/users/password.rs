//! Passwords: which are accepted, and how they are kept.

use std::{collections::HashSet, ops::Range, sync::LazyLock};

use anyhow::Context as _;
use bcrypt::{BcryptResult, HashParts};
use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::{
    error::UserError,
    permits::{HashPermits, Purpose},
    username::Username,
};
use crate::validation::ValidationError;

/// The fewest characters.
const MIN_CHARS: usize = 6;

/// The most bytes: what bcrypt looks at. It would cut off a longer one without a word.
const MAX_BYTES: usize = 72;

/// More bytes than any password has before it is normalised.
const MAX_TYPED_BYTES: usize = 8 * MAX_BYTES;

/// How many times as many bytes a text has at most when it is normalised (Unicode Standard Annex #15, section 6).
const MAX_GROWTH: usize = 3;

/// The salt and the hash of no password in particular.
const DUMMY_SALT_AND_HASH: &str = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A password in the one form that is hashed: the profile `OpaqueString` of RFC 8265, so that it is the same whichever
/// characters a keyboard composes `é` of.
#[derive(Clone, Debug)]
pub(crate) struct Password {
    text: SecretString,
    /// As typed, where that differs: the hash of an older account may be of this form.
    typed: Option<SecretString>,
}

impl Password {
    /// Reads a password, in the same way at registering and at logging in.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn parse(typed: SecretString) -> Result<Self, ValidationError> {
        let violation = |code, message| Err(ValidationError::new(code, message));
        let bytes = typed.expose_secret().len();
        if bytes > MAX_TYPED_BYTES {
            return violation("length", "should have at most 72 bytes");
        }
        // With room for all of it: a text that grows leaves copies of the secret behind.
        let mut text = String::with_capacity(bytes * MAX_GROWTH);
        text.extend(typed.expose_secret().chars().map(plain_space).nfc());
        let text = SecretString::from(text);
        let opaque = text.expose_secret();
        if opaque.chars().count() < MIN_CHARS {
            violation("length", "should have at least 6 characters")
        } else if opaque.len() > MAX_BYTES {
            violation("length", "should have at most 72 bytes")
        } else if opaque.contains(char::is_control) {
            violation("format", "cannot contain control characters, such as a tab or U+0000")
        } else {
            let typed = (bytes <= MAX_BYTES && typed.expose_secret() != opaque).then_some(typed);
            Ok(Self { text, typed })
        }
    }

    /// Reads a password that the user of this name wants to have.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn choose(typed: SecretString, username: Option<&Username>) -> Result<Self, ValidationError> {
        let password = Self::parse(typed)?;
        let text = password.text.expose_secret();
        if username.is_some_and(|username| username.matches_ignoring_case(text)) {
            Err(ValidationError::new("username", "should not be the username"))
        } else if COMMON.contains(text.to_lowercase().as_str()) {
            Err(ValidationError::new("common", "is one of the most common passwords; choose another"))
        } else {
            Ok(password)
        }
    }

    fn forms(&self) -> impl Iterator<Item = &SecretString> {
        [&self.text].into_iter().chain(&self.typed)
    }
}

/// Any other space is one that a keyboard put in its place (RFC 8265, section 4.2.2).
fn plain_space(c: char) -> char {
    if c.general_category() == GeneralCategory::SpaceSeparator { ' ' } else { c }
}

/// What a password is to a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Another one, or there is no such user.
    Wrong,
    /// The one that was hashed.
    Right,
    /// The one that was hashed, at another cost or in another form than new ones are.
    Outdated,
}

/// Hashes and checks passwords with bcrypt: on threads where it holds nobody up, and never on all cores at once, so
/// that logins do not starve everything else.
#[derive(Clone)]
pub(crate) struct Hasher {
    cost: u32,
    permits: HashPermits,
}

impl Hasher {
    /// With this cost of bcrypt's. Hashes at most `permits` passwords at once.
    #[must_use]
    pub(crate) fn new(cost: u32, permits: usize) -> Self {
        Self { cost, permits: HashPermits::new(permits) }
    }

    /// The hash to keep.
    ///
    /// # Errors
    /// [`UserError::Busy`]
    pub(crate) async fn hash(&self, Password { text, .. }: Password) -> Result<String, UserError> {
        let cost = self.cost;
        // `non_truncating_hash` refuses 72 bytes, since it counts the zero that C puts behind a text. `Password` has
        // seen to it that nothing of the password is cut off.
        self.with_permit(Purpose::Register, move || bcrypt::hash(text.expose_secret(), cost)).await
    }

    /// Compares a password with the one that was hashed; `None` for what cannot be a password, or for no user.
    ///
    /// `highest` is the highest cost of all users' hashes. A comparison that fails takes as long as one with such a hash,
    /// whatever the cost of this hash is and whether there is one: the time does not tell whether there is such a user.
    ///
    /// # Errors
    /// [`UserError::Busy`]
    pub(crate) async fn verify(
        &self,
        password: Option<Password>,
        hash: Option<String>,
        highest: Option<u32>,
    ) -> Result<Verification, UserError> {
        let (current, level) = (self.cost, self.cost.max(highest.unwrap_or_default()));
        self.with_permit(Purpose::LogIn, move || match (password, hash) {
            (Some(password), Some(hash)) => compare(&password, &hash, current, level),
            (password, _) => {
                let forms = password.map_or(1, |password| password.forms().count());
                (0..forms).try_for_each(|_| dummy_compare(level)).map(|()| Verification::Wrong)
            }
        })
        .await
    }

    async fn with_permit<T: Send + 'static>(
        &self,
        purpose: Purpose,
        work: impl FnOnce() -> BcryptResult<T> + Send + 'static,
    ) -> Result<T, UserError> {
        let permit = self.permits.acquire(purpose).await?;
        let done = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, and not with a client that does not wait for it.
            let _permit = permit;
            work()
        });
        Ok(done.await.context("hashing")?.context("bcrypt")?)
    }
}

fn compare(password: &Password, hash: &str, current: u32, level: u32) -> BcryptResult<Verification> {
    let cost = hash.parse::<HashParts>()?.get_cost();
    for (n, form) in password.forms().enumerate() {
        if bcrypt::verify(form.expose_secret(), hash)? {
            let is_current = n == 0 && cost == current;
            return Ok(if is_current { Verification::Right } else { Verification::Outdated });
        }
        padding_costs(cost, level).try_for_each(dummy_compare)?;
    }
    Ok(Verification::Wrong)
}

/// The costs of further comparisons that make one at `cost` take as long as one at `level`. Each cost is twice the work
/// of the one below, so 2^cost + 2^cost + 2^(cost + 1) + … + 2^(level - 1) = 2^level.
const fn padding_costs(cost: u32, level: u32) -> Range<u32> {
    cost..level
}

/// Does the work of a comparison.
fn dummy_compare(cost: u32) -> BcryptResult<()> {
    bcrypt::verify("", &format!("$2b${cost:02}${DUMMY_SALT_AND_HASH}")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(password: &str) -> Result<(), &'static str> {
        let username = Username::parse("Алиса_1").expect("a username");
        Password::choose(password.into(), Some(&username)).map(drop).map_err(|violation| violation.code)
    }

    #[test]
    fn accepts_what_is_neither_short_nor_long_nor_known() {
        let seventy_two_bytes = "ж".repeat(36);
        for good in ["securepass123", "пароль-мой", "      ", &seventy_two_bytes] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
        let cases = [
            ("ab😀de", "length"),
            (&*format!("{seventy_two_bytes}a"), "length"),
            ("abc\0def", "format"),
            ("abc\tdef", "format"),
            ("cafe\u{301}s", "length"),
            ("алиса_1", "username"),
            ("123456", "common"),
            ("PassWord", "common"),
        ];
        for (bad, code) in cases {
            assert_eq!(parse(bad), Err(code), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let password = Password::parse("hunter2-hunter2".into()).expect("a password");
        assert!(!format!("{password:?}").contains("hunter2"));
    }

    fn password(typed: &str) -> Password {
        Password::parse(typed.into()).expect("a password")
    }

    #[test]
    fn a_password_is_the_same_in_every_normalisation_form() {
        let text = |typed| password(typed).text.expose_secret().to_owned();
        for typed in ["cafe\u{301} noir", "café\u{a0}noir", "café\u{3000}noir"] {
            assert_eq!(text(typed), "café noir", "{typed:?}");
            assert_eq!(password(typed).forms().count(), 2);
        }
        // Neither case nor compatible characters are changed.
        assert_eq!(text("Ｐａｓｓ-word"), "Ｐａｓｓ-word");
        assert_eq!(password("café noir").forms().count(), 1);
        assert!(Password::parse("e\u{301}".repeat(36).into()).is_ok());
        assert!(Password::parse("x".repeat(MAX_TYPED_BYTES + 1).into()).is_err());
    }

    #[tokio::test]
    async fn verifies_the_password_and_nothing_else() {
        let hasher = Hasher::new(4, 1);
        let longest = "x".repeat(MAX_BYTES);
        let hash = hasher.hash(password(&longest)).await.expect("a hash");
        let verify = async |typed: String, hash| {
            hasher.verify(Password::parse(typed.into()).ok(), hash, None).await.expect("an answer")
        };
        assert_eq!(verify(longest.clone(), Some(hash.clone())).await, Verification::Right);
        assert_eq!(verify(format!("{longest}y"), Some(hash.clone())).await, Verification::Wrong);
        assert_eq!(verify("another".to_owned(), Some(hash)).await, Verification::Wrong);
        assert_eq!(verify(longest, None).await, Verification::Wrong);
    }

    #[tokio::test]
    async fn finds_hashes_of_another_cost_or_form_outdated() {
        let hasher = Hasher::new(5, 1);
        let verify = async |typed: &str, hash| hasher.verify(Some(password(typed)), Some(hash), Some(6)).await;
        for (typed, hashed, cost, verdict) in [
            ("café noir", "café noir", 5, Verification::Right),
            ("cafe\u{301} noir", "café noir", 5, Verification::Right),
            ("café noir", "café noir", 4, Verification::Outdated),
            ("café noir", "café noir", 6, Verification::Outdated),
            ("cafe\u{301} noir", "cafe\u{301} noir", 5, Verification::Outdated),
            ("café noir", "cafe\u{301} noir", 5, Verification::Wrong),
        ] {
            let hash = bcrypt::hash(hashed, cost).expect("a hash");
            assert_eq!(verify(typed, hash).await.expect("an answer"), verdict, "{typed:?} {hashed:?} {cost}");
        }
    }

    #[test]
    fn a_failed_comparison_is_the_same_work_at_every_cost() {
        for cost in 4..=12 {
            let work: u64 = [cost].into_iter().chain(padding_costs(cost, 12)).map(|cost| 1 << cost).sum();
            assert_eq!(work, 1 << 12, "{cost}");
        }
    }
}
