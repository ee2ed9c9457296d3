//! The secrets that a login may need, which are asked for one by one.

use std::{fmt, path::PathBuf, sync::Arc};

use ferry_shared::secret::Secret;

use crate::{error::ClientError, trust::BoxFuture};

/// A question for a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretQuestion {
    /// The password of an account.
    Password {
        /// The account, as `user@host`.
        account: String,
        /// Whether this is the server of the files, not one on the way to it.
        is_target: bool,
    },
    /// The passphrase of a key.
    Passphrase {
        /// The file of the key.
        file: PathBuf,
    },
    /// A question of the server.
    Interactive {
        /// The account, as `user@host`.
        account: String,
        /// Whether this is the server of the files, not one on the way to it.
        is_target: bool,
        /// The server's text, which is not trusted.
        text: String,
        /// Whether the answer may be shown while it is typed.
        echo: bool,
    },
}

/// Answers questions for secrets.
pub trait Secrets: Send + Sync {
    /// The answer; `None` if there is none, so that the login goes on without it.
    fn answer<'a>(&'a self, question: &'a SecretQuestion) -> BoxFuture<'a, Result<Option<Secret>, ClientError>>;
}

/// Answers with one password, for the server of the files alone.
pub struct OnePassword(pub Secret);

impl Secrets for OnePassword {
    fn answer<'a>(&'a self, question: &'a SecretQuestion) -> BoxFuture<'a, Result<Option<Secret>, ClientError>> {
        let answers = match question {
            SecretQuestion::Password { is_target, .. } => *is_target,
            SecretQuestion::Interactive { is_target, echo, .. } => *is_target && !echo,
            SecretQuestion::Passphrase { .. } => true,
        };
        Box::pin(async move { Ok(answers.then(|| self.0.clone())) })
    }
}

/// Answers nothing.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn answer<'a>(&'a self, _: &'a SecretQuestion) -> BoxFuture<'a, Result<Option<Secret>, ClientError>> {
        Box::pin(async { Ok(None) })
    }
}

/// How to log in.
#[derive(Clone)]
pub struct Login {
    /// The files of the keys to use first.
    pub identities: Vec<PathBuf>,
    /// Answers questions for secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Whether a password is at hand, so that it is tried before keys.
    pub password_first: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("identities", &self.identities).finish_non_exhaustive()
    }
}
