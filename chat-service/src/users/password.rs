//! Passwords: validation, normalization and hashing.

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

/// The minimum length in characters.
const MIN_CHARS: usize = 6;

/// The maximum length in bytes. bcrypt silently ignores all further bytes.
const MAX_BYTES: usize = 72;

/// The maximum length of the typed text in bytes, before normalization.
const MAX_TYPED_BYTES: usize = 8 * MAX_BYTES;

/// The factor by which normalization can lengthen a text (Unicode Standard Annex #15, section 6).
const MAX_GROWTH: usize = 3;

/// The salt and hash of an arbitrary password.
const DUMMY_SALT_AND_HASH: &str = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A password, normalized by the profile `OpaqueString` of RFC 8265: `é` is the same whether a keyboard enters it as one
/// character or two.
#[derive(Clone, Debug)]
pub(crate) struct Password {
    text: SecretString,
    /// The text as typed, if it differs: the hash of an older account may be of this form.
    typed: Option<SecretString>,
}

impl Password {
    /// Parses a password, for a registration or a login.
    pub(crate) fn parse(typed: SecretString) -> Result<Self, ValidationError> {
        let violation = |code, message| Err(ValidationError::new(code, message));
        let bytes = typed.expose_secret().len();
        if bytes > MAX_TYPED_BYTES {
            return violation("length", "should have at most 72 bytes");
        }
        // With enough capacity: a reallocation would leave a copy of the secret in memory.
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

    /// Parses the password of a new account, which must not be its username or a common password.
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

/// Replaces other space characters, which keyboards may enter, by an ASCII space (RFC 8265, section 4.2.2).
fn plain_space(c: char) -> char {
    if c.general_category() == GeneralCategory::SpaceSeparator { ' ' } else { c }
}

/// The result of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Another password, or there is no such user.
    Wrong,
    /// The password matches.
    Right,
    /// The password matches, but the cost or form of the hash differs from that of new ones.
    Outdated,
}

/// Hashes and verifies passwords with bcrypt, on blocking threads. It never uses all cores at once, so that logins do not
/// starve other work.
#[derive(Clone)]
pub(crate) struct Hasher {
    cost: u32,
    permits: HashPermits,
}

impl Hasher {
    /// Uses bcrypt with this cost, for at most `permits` passwords at once.
    pub(crate) fn new(cost: u32, permits: usize) -> Self {
        Self { cost, permits: HashPermits::new(permits) }
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`UserError::Busy`]
    pub(crate) async fn hash(&self, Password { text, .. }: Password) -> Result<String, UserError> {
        let cost = self.cost;
        // Not `non_truncating_hash`, which refuses 72 bytes because it counts the terminating zero of C. `Password`
        // ensures that nothing is cut off.
        self.with_permit(Purpose::Register, move || bcrypt::hash(text.expose_secret(), cost)).await
    }

    /// Compares a password with a hash. `None` stands for an invalid password or a missing user.
    ///
    /// `highest` is the highest cost of all users' hashes. A failed comparison takes as long as one with a hash of that
    /// cost, whatever the cost of this hash is and even without a hash. So the time does not reveal whether the user
    /// exists.
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
            // The permit is held until the work ends, even if the client disconnects.
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

/// Returns the costs of the extra comparisons that make one at `cost` take as long as one at `level`. Each cost doubles the
/// work, so 2^cost + 2^cost + 2^(cost + 1) + … + 2^(level - 1) = 2^level.
const fn padding_costs(cost: u32, level: u32) -> Range<u32> {
    cost..level
}

/// Does the work of a comparison without its result.
fn dummy_compare(cost: u32) -> BcryptResult<()> {
    bcrypt::verify("", &format!("$2b${cost:02}${DUMMY_SALT_AND_HASH}")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(password: &str) -> Result<(), &'static str> {
        let username = Username::parse("Алиса_1").expect("parse username");
        Password::choose(password.into(), Some(&username)).map(drop).map_err(|violation| violation.code)
    }

    #[test]
    fn accepts_only_passwords_of_valid_length_that_are_not_common() {
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
        let password = Password::parse("hunter2-hunter2".into()).expect("parse password");
        assert!(!format!("{password:?}").contains("hunter2"));
    }

    fn password(typed: &str) -> Password {
        Password::parse(typed.into()).expect("parse password")
    }

    #[test]
    fn normalizes_passwords() {
        let text = |typed| password(typed).text.expose_secret().to_owned();
        for typed in ["cafe\u{301} noir", "café\u{a0}noir", "café\u{3000}noir"] {
            assert_eq!(text(typed), "café noir", "{typed:?}");
            assert_eq!(password(typed).forms().count(), 2);
        }
        // Case and compatibility characters are kept.
        assert_eq!(text("Ｐａｓｓ-word"), "Ｐａｓｓ-word");
        assert_eq!(password("café noir").forms().count(), 1);
        assert!(Password::parse("e\u{301}".repeat(36).into()).is_ok());
        assert!(Password::parse("x".repeat(MAX_TYPED_BYTES + 1).into()).is_err());
    }

    #[tokio::test]
    async fn accepts_only_the_hashed_password() {
        let hasher = Hasher::new(4, 1);
        let longest = "x".repeat(MAX_BYTES);
        let hash = hasher.hash(password(&longest)).await.expect("hash password");
        let verify = async |typed: String, hash| {
            hasher.verify(Password::parse(typed.into()).ok(), hash, None).await.expect("verify password")
        };
        assert_eq!(verify(longest.clone(), Some(hash.clone())).await, Verification::Right);
        assert_eq!(verify(format!("{longest}y"), Some(hash.clone())).await, Verification::Wrong);
        assert_eq!(verify("another".to_owned(), Some(hash)).await, Verification::Wrong);
        assert_eq!(verify(longest, None).await, Verification::Wrong);
    }

    #[tokio::test]
    async fn reports_hashes_of_other_cost_or_form_as_outdated() {
        let hasher = Hasher::new(5, 1);
        let verify = async |typed: &str, hash| hasher.verify(Some(password(typed)), Some(hash), Some(6)).await;
        for (typed, hashed, cost, expected) in [
            ("café noir", "café noir", 5, Verification::Right),
            ("cafe\u{301} noir", "café noir", 5, Verification::Right),
            ("café noir", "café noir", 4, Verification::Outdated),
            ("café noir", "café noir", 6, Verification::Outdated),
            ("cafe\u{301} noir", "cafe\u{301} noir", 5, Verification::Outdated),
            ("café noir", "cafe\u{301} noir", 5, Verification::Wrong),
        ] {
            let hash = bcrypt::hash(hashed, cost).expect("hash password");
            assert_eq!(verify(typed, hash).await.expect("verify password"), expected, "{typed:?} {hashed:?} {cost}");
        }
    }

    #[test]
    fn failed_comparison_costs_the_same_for_every_hash() {
        for cost in 4..=12 {
            let work: u64 = [cost].into_iter().chain(padding_costs(cost, 12)).map(|cost| 1 << cost).sum();
            assert_eq!(work, 1 << 12, "{cost}");
        }
    }
}
