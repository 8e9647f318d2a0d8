//! Passwords: which are accepted, and how they are kept.

use std::{collections::HashSet, num::NonZero, sync::Arc, sync::LazyLock, time::Duration};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::{error::UserError, username::Username};
use crate::validation::Violation;

/// The fewest characters.
const MIN_CHARS: usize = 6;

/// The most bytes: what bcrypt looks at. It would cut off a longer one without a word.
const MAX_BYTES: usize = 72;

/// The longest that a password waits for its turn to be hashed.
const MAX_WAIT: Duration = Duration::from_millis(1500);

/// The salt and the hash of no password in particular.
const DUMMY_SALT_AND_HASH: &str = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A password that a user may choose.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// A password as `username` may choose it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(password: SecretString, username: Option<&Username>) -> Result<Self, Violation> {
        let text = password.expose_secret();
        let lower = text.to_lowercase();
        let violation = |code, message| Err(Violation::new(code, message));
        if text.chars().count() < MIN_CHARS {
            violation("length", "should have at least 6 characters")
        } else if text.len() > MAX_BYTES {
            violation("length", "should have at most 72 bytes")
        } else if text.contains('\0') {
            violation("format", "cannot contain the character U+0000")
        } else if username.is_some_and(|username| username.is_alike(text)) {
            violation("username", "should not be the username")
        } else if COMMON.contains(lower.as_str()) {
            violation("common", "is one of the commonest passwords: choose another")
        } else {
            Ok(Self(password))
        }
    }
}

/// Hashes and checks passwords with bcrypt: on threads where it holds nobody up, and never on all cores at once, so
/// that logins do not starve everything else.
#[derive(Clone)]
pub struct Hasher {
    cost: u32,
    turns: Arc<Semaphore>,
}

impl Hasher {
    /// With this cost of bcrypt's.
    #[must_use]
    pub fn new(cost: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { cost, turns: Arc::new(Semaphore::new((cores - 1).max(1))) }
    }

    /// The hash to keep.
    ///
    /// # Errors
    /// [`UserError::Busy`]
    pub async fn hash(&self, Password(password): Password) -> Result<String, UserError> {
        let cost = self.cost;
        // `non_truncating_hash` refuses 72 bytes, since it counts the zero that C puts behind a text. `Password` has
        // seen to it that nothing of the password is cut off.
        self.in_turn(move || bcrypt::hash(password.expose_secret(), cost)).await
    }

    /// Whether `password` is the one that was hashed. Where there is no hash it is not, and that takes as long to find
    /// out: the time of an answer does not tell whether there is such a user.
    ///
    /// # Errors
    /// [`UserError::Busy`]
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, UserError> {
        let could_match = hash.is_some() && password.expose_secret().len() <= MAX_BYTES;
        let hash = hash.unwrap_or_else(|| format!("$2b${:02}${DUMMY_SALT_AND_HASH}", self.cost));
        let matches = self.in_turn(move || bcrypt::verify(password.expose_secret(), &hash)).await?;
        Ok(matches && could_match)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> bcrypt::BcryptResult<T> + Send + 'static,
    ) -> Result<T, UserError> {
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| UserError::Busy)?.context("the semaphore is closed")?;
        let done = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, and not with a client that does not wait for it.
            let _turn = turn;
            work()
        });
        Ok(done.await.context("hashing")?.context("bcrypt")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(password: &str) -> Result<(), &'static str> {
        let username = Username::parse("Алиса_1").expect("a username");
        Password::parse(password.into(), Some(&username)).map(drop).map_err(|violation| violation.code)
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
        let password = Password::parse("hunter2-hunter2".into(), None).expect("a password");
        assert!(!format!("{password:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn verifies_the_password_and_nothing_else() {
        let hasher = Hasher::new(4);
        let longest = "x".repeat(MAX_BYTES);
        let password = Password::parse(longest.clone().into(), None).expect("a password");
        let hash = hasher.hash(password).await.expect("a hash");
        let verify = async |password: String, hash| hasher.verify(password.into(), hash).await.expect("an answer");
        assert!(verify(longest.clone(), Some(hash.clone())).await);
        assert!(!verify(format!("{longest}y"), Some(hash.clone())).await);
        assert!(!verify("other".to_owned(), Some(hash)).await);
        assert!(!verify(longest, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_only_so_long_for_its_turn() {
        let hasher = Hasher::new(4);
        let all_turns = u32::try_from(hasher.turns.available_permits()).expect("a few");
        let _taken = hasher.turns.acquire_many(all_turns).await.expect("turns");
        assert!(matches!(hasher.verify("x".into(), None).await, Err(UserError::Busy)));
    }
}
