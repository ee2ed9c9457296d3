//! Passwords: Argon2id with bounded cost, and replies that do not reveal whether a user exists.

use std::{
    fmt,
    num::NonZeroUsize,
    str::FromStr,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    thread,
};

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ferry_shared::secret::Secret;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::{Account, spelling, text};

/// KiB, passes and lanes of a new hash: the first choice of the OWASP password storage cheat sheet for Argon2id
/// with little memory.
const NEW: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The lowest and the highest cost that a stored hash may have, in KiB, passes and lanes.
const WEAKEST: (u32, u32, u32) = (7 * 1024, 1, 1);
const COSTLIEST: (u32, u32, u32) = (64 * 1024, 10, 4);
/// Costs that the same sheet considers equivalent: less memory needs more passes.
const GOOD: [(u32, u32); 5] = [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3), (9 * 1024, 4), (7 * 1024, 5)];
/// Bytes of a new hash's salt and of the hash itself.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// The maximum length of a password in bytes.
const PASSWORD_MAX: usize = 1024;
/// Checks that may wait for each running one.
const QUEUE_PER_CORE: usize = 64;

/// The reason why a text is not a [`StoredHash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not a PHC string with salt and hash.
    #[error("not a password hash ($argon2id$…); set one with 'ferryd user passwd'")]
    Form,
    /// Another algorithm, or an old version of it.
    #[error("a password hash must be argon2id, version 19")]
    Algorithm,
    /// The cost is too low to be safe, or so high that a check would harm the server.
    #[error("the password hash asks for m={memory},t={passes},p={lanes}; {}", bounds())]
    Cost {
        /// KiB.
        memory: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The salt or the hash is too short to protect the password.
    #[error("the salt or the hash is too short")]
    Short,
}

fn bounds() -> String {
    let ((m, t, p), (m_max, t_max, p_max)) = (WEAKEST, COSTLIEST);
    format!("allowed is m={m}..={m_max},t={t}..={t_max},p={p}..={p_max}")
}

/// The stored hash of a password: an Argon2id PHC string within bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(Arc<str>);

impl StoredHash {
    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether guessing it costs less than is recommended today.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        let params = PasswordHash::new(&self.0).ok().and_then(|hash| Params::try_from(&hash).ok());
        let good = |params: Params| GOOD.iter().any(|(m, t)| params.m_cost() >= *m && params.t_cost() >= *t);
        !params.is_some_and(good)
    }

    /// A number derived from the hash, the same in every run.
    pub(super) fn generation(&self) -> u64 {
        let digest: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }

    /// Whether `password` matches. Each spelling takes the time that the hash's cost demands.
    fn matches(&self, password: &Secret) -> bool {
        spelling::all(password).iter().any(|spelling| self.compute(spelling) == Some(true))
    }

    fn compute(&self, password: &Secret) -> Option<bool> {
        let hash = PasswordHash::new(&self.0).ok()?;
        let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
        let params = Params::try_from(&hash).ok()?;
        let mut memory = Scratch::take(params.block_count());
        let mut found = vec![0; expected.as_ref().len()];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.expose().as_bytes(), salt.as_ref(), &mut found, &mut memory.0)
            .ok()?;
        Some(bool::from(found.ct_eq(expected.as_ref())))
    }
}

/// The memory in which a hash is computed. Memory of the size for one new hash is kept for the next; more is freed.
struct Scratch(Vec<Block>);

static SPARE: Mutex<Option<Vec<Block>>> = Mutex::new(None);

impl Scratch {
    fn take(blocks: usize) -> Self {
        let mut memory = SPARE.lock().take().unwrap_or_default();
        memory.resize(blocks, Block::default());
        Self(memory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A block has 1 KiB.
        if self.0.capacity() <= NEW.0 as usize {
            *SPARE.lock() = Some(std::mem::take(&mut self.0));
        }
    }
}

impl FromStr for StoredHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let hash = PasswordHash::new(text).map_err(|_| HashError::Form)?;
        let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else { return Err(HashError::Form) };
        if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() || hash.version != Some(Version::V0x13.into()) {
            return Err(HashError::Algorithm);
        }
        let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
        let cost = (params.m_cost(), params.t_cost(), params.p_cost());
        let within = |part: fn(&(u32, u32, u32)) -> u32| (part(&WEAKEST)..=part(&COSTLIEST)).contains(&part(&cost));
        if !(within(|c| c.0) && within(|c| c.1) && within(|c| c.2)) {
            return Err(HashError::Cost { memory: cost.0, passes: cost.1, lanes: cost.2 });
        }
        if salt.len() < 8 || output.len() < 16 {
            return Err(HashError::Short);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash(…)")
    }
}

impl Serialize for StoredHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StoredHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// The reason why a password cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// The password is empty.
    #[error("a password must not be empty")]
    Empty,
    /// The password is too easy to guess.
    #[error("a password has at least {PASSWORD_MIN} characters")]
    TooShort,
    /// The password is longer than a login can send.
    #[error("a password has at most {PASSWORD_MAX} bytes")]
    TooLong,
    /// The system provided no randomness or memory.
    #[error("the password could not be hashed")]
    Failed,
    /// Too many password checks are waiting.
    #[error("too many logins at once")]
    Busy,
}

/// The minimum number of characters of a password that a user chooses.
pub const PASSWORD_MIN: usize = 8;

/// Whether the password has fewer characters than a user may choose. The operator may set such a password.
#[must_use]
pub fn is_short(password: &Secret) -> bool {
    password.expose().chars().count() < PASSWORD_MIN
}

/// Hashes a new password. Blocks for tens of milliseconds.
///
/// # Errors
/// [`NewPasswordError`].
pub fn hash(password: &Secret) -> Result<StoredHash, NewPasswordError> {
    hash_spelling(&spelling::composed(password))
}

/// Hashes one spelling.
pub(super) fn hash_spelling(password: &Secret) -> Result<StoredHash, NewPasswordError> {
    match password.expose().len() {
        0 => return Err(NewPasswordError::Empty),
        length if length > PASSWORD_MAX => return Err(NewPasswordError::TooLong),
        _ => {}
    }
    let params = Params::new(NEW.0, NEW.1, NEW.2, None).map_err(|_| NewPasswordError::Failed)?;
    let (mut salt, mut output) = ([0; SALT], [0; OUTPUT]);
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| NewPasswordError::Failed)?;
    let mut memory = Scratch::take(params.block_count());
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose().as_bytes(), &salt, &mut output, &mut memory.0)
        .map_err(|_| NewPasswordError::Failed)?;
    phc(&salt, &output).parse().map_err(|_| NewPasswordError::Failed)
}

/// The stored form of a hash.
fn phc(salt: &[u8; SALT], output: &[u8; OUTPUT]) -> String {
    let (memory, passes, lanes) = NEW;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}")
}

/// Like [`hash`], for a password that a user chose.
fn hash_chosen(password: &Secret) -> Result<StoredHash, NewPasswordError> {
    if is_short(password) { Err(NewPasswordError::TooShort) } else { hash(password) }
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password of the account.
    Right,
    /// It is not, or there is no such account.
    Wrong,
    /// It was not checked: too many checks are waiting.
    Busy,
}

/// Runs hashes off the async threads: one per core at a time, with a bounded queue.
#[derive(Debug)]
pub struct Verifier {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    /// Checked if there is no account, so that this takes as long. No password matches it: nobody knows one that
    /// hashes to zeros.
    dummy: StoredHash,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// Runs one check per core at a time.
    #[must_use]
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_limits(cores, cores * QUEUE_PER_CORE)
    }

    fn with_limits(running: usize, waiting_max: usize) -> Self {
        let dummy = phc(&[0; SALT], &[0; OUTPUT]);
        Self {
            running: Arc::new(Semaphore::new(running)),
            waiting: AtomicUsize::new(0),
            waiting_max,
            dummy: StoredHash(dummy.into()),
        }
    }

    /// The number of checks that wait or run.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Checks `password` against the account's hash, or against a dummy at the same cost. Drop the future to stop
    /// waiting.
    pub async fn verify(&self, account: Option<&Account>, password: &Secret) -> Verdict {
        let stored = account.and_then(|account| account.password.clone());
        let known = stored.is_some();
        let (hash, password) = (stored.unwrap_or_else(|| self.dummy.clone()), password.clone());
        verdict(self.run(move || hash.matches(&password)).await, known)
    }

    /// Hashes a new password that a user chose.
    ///
    /// # Errors
    /// [`NewPasswordError`].
    pub async fn hash(&self, password: &Secret) -> Result<StoredHash, NewPasswordError> {
        let password = password.clone();
        self.run(move || hash_chosen(&password)).await.unwrap_or(Err(NewPasswordError::Busy))
    }

    /// Like [`verify`](Self::verify), but on the caller's thread, which may block.
    pub(super) async fn verify_here(&self, account: Option<&Account>, password: &Secret) -> Verdict {
        let stored = account.and_then(|account| account.password.clone());
        let known = stored.is_some();
        let hash = stored.unwrap_or_else(|| self.dummy.clone());
        verdict(self.run_here(|| hash.matches(password)).await, known)
    }

    /// Like [`hash`](Self::hash), but on the caller's thread, which may block.
    pub(super) async fn hash_here(&self, password: &Secret) -> Result<StoredHash, NewPasswordError> {
        self.run_here(|| hash_chosen(password)).await.unwrap_or(Err(NewPasswordError::Busy))
    }

    async fn run_here<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _waiting = Waiting::enter(&self.waiting, self.waiting_max)?;
        let _permit = self.running.acquire().await.ok()?;
        Some(work())
    }

    /// Runs `work` on a blocking thread when its turn comes; `None` if too many are waiting.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _waiting = Waiting::enter(&self.waiting, self.waiting_max)?;
        // The permit moves into the work: a caller that gives up does not free a core that is still busy.
        let permit = Arc::clone(&self.running).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.ok()
    }
}

fn verdict(matches: Option<bool>, known: bool) -> Verdict {
    match matches {
        Some(true) if known => Verdict::Right,
        Some(_) => Verdict::Wrong,
        None => Verdict::Busy,
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        pin::pin,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::users::file::Record;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn account(password: Option<&str>) -> Account {
        Record::new(password.map(|password| hash(&secret(password)).unwrap())).account("alice".parse().unwrap())
    }

    /// A hash with a parameter that differs from that of a new hash.
    fn asking(part: &str, instead: &str) -> String {
        let hash = hash(&secret("x")).unwrap();
        assert!(hash.as_str().contains(part), "{}", hash.as_str());
        hash.as_str().replacen(part, instead, 1)
    }

    #[tokio::test]
    async fn only_the_accounts_own_password_is_right() {
        let (verifier, alice) = (Verifier::new(), account(Some("pass word")));
        assert_eq!(verifier.verify(Some(&alice), &secret("pass word")).await, Verdict::Right);
        for wrong in ["", "pass", "pass word ", "Pass word"] {
            assert_eq!(verifier.verify(Some(&alice), &secret(wrong)).await, Verdict::Wrong, "{wrong:?}");
        }
        assert_eq!(verifier.verify(Some(&account(None)), &secret("")).await, Verdict::Wrong);
        assert_eq!(verifier.verify(None, &secret("pass word")).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn no_account_costs_as_much_as_a_wrong_password() {
        let (verifier, alice) = (Verifier::new(), account(Some("right")));
        let keys_only = account(None);
        let accounts = [Some(&alice), None, Some(&keys_only)];
        let mut fastest = [Duration::MAX; 3];
        // The fastest of many runs are alike however busy the machine is; it may only take more runs.
        for _ in 0..100 {
            for (account, best) in accounts.into_iter().zip(&mut fastest) {
                let start = Instant::now();
                verifier.verify(account, &secret("wrong")).await;
                *best = start.elapsed().min(*best);
            }
            let [known, unknown, keys_only] = fastest;
            if unknown * 3 > known && known * 3 > unknown && keys_only * 3 > known {
                return;
            }
        }
        panic!("it shows: {fastest:?}");
    }

    #[test]
    fn the_dummy_is_a_hash_like_a_new_one() {
        let dummy = Verifier::new().dummy;
        assert_eq!(dummy.as_str().parse(), Ok(dummy.clone()));
        let cost = |hash: &StoredHash| hash.as_str().rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(cost(&dummy), cost(&hash(&secret("x")).unwrap()));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_cancelled_check_makes_room() {
        let verifier = Verifier::with_limits(1, 1);
        let _held = Arc::clone(&verifier.running).acquire_owned().await.unwrap();
        let password = secret("x");
        for _ in 0..2 {
            let mut waits = pin!(verifier.verify(None, &password));
            tokio::select! {
                biased;
                verdict = &mut waits => panic!("{verdict:?} without a turn"),
                () = ready(()) => {}
            }
            assert_eq!(verifier.verify(None, &password).await, Verdict::Busy);
        }
    }

    #[test]
    fn refuses_hashes_that_are_weak_or_would_hurt_the_server() {
        for (part, instead) in
            [("m=19456", "m=64"), ("m=19456", "m=4194304"), ("t=2", "t=4000"), ("p=1", "p=64"), ("t=2", "t=0")]
        {
            let text = asking(part, instead);
            let error = text.parse::<StoredHash>().unwrap_err();
            assert!(matches!(error, HashError::Cost { .. } | HashError::Form), "{text}: {error}");
        }
        assert!(asking("m=19456,t=2", "m=65536,t=3").parse::<StoredHash>().is_ok());
    }

    #[test]
    fn a_hash_is_weak_below_what_is_recommended() {
        let weak = |part: &str| asking("m=19456,t=2", part).parse::<StoredHash>().unwrap().is_weak();
        for good in ["m=19456,t=2", "m=47104,t=1", "m=7168,t=5", "m=65536,t=3", "m=20000,t=4"] {
            assert!(!weak(good), "{good}");
        }
        for bad in ["m=19456,t=1", "m=19455,t=2", "m=7168,t=4", "m=47103,t=1"] {
            assert!(weak(bad), "{bad}");
        }
    }

    #[test]
    fn refuses_other_functions_and_text_that_is_not_a_hash() {
        for (part, instead) in [("argon2id", "argon2i"), ("argon2id", "argon2d"), ("v=19", "v=16"), ("$v=19", "")] {
            assert_eq!(asking(part, instead).parse::<StoredHash>(), Err(HashError::Algorithm), "{part}");
        }
        let whole = asking("$", "$");
        let no_output = whole.rsplit_once('$').unwrap().0;
        for text in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", no_output, "$2b$12$abcdefghijklmnopqrstuv"] {
            assert_eq!(text.parse::<StoredHash>(), Err(HashError::Form), "{text}");
        }
        let short = format!("{no_output}$AAAAAAAAAAAAAAAA");
        assert_eq!(short.parse::<StoredHash>(), Err(HashError::Short));
    }

    #[test]
    fn refuses_unacceptable_new_passwords() {
        assert_eq!(hash(&secret("")), Err(NewPasswordError::Empty));
        assert_eq!(hash(&secret(&"x".repeat(1025))), Err(NewPasswordError::TooLong));
        assert!(hash(&secret(&"x".repeat(1024))).is_ok());
    }

    #[test]
    fn the_same_password_hashes_differently_and_so_ends_sessions() {
        let (one, two) = (hash(&secret("x")).unwrap(), hash(&secret("x")).unwrap());
        assert_ne!(one.generation(), two.generation());
        assert_eq!(one.generation(), one.as_str().parse::<StoredHash>().unwrap().generation());
    }
}
