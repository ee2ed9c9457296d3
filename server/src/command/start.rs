//! What each request does: all are listed here.

use ferry_shared::{
    message::{Reply, Request},
    refusal::Refusal,
};

use super::{
    Conversation, Running, change, copy, download, hash, pages, password, remove, stat, upload, uploads, usage,
};
use crate::{files::Error, live::Direction, refusal};

impl Conversation {
    /// Runs a request, or starts what will run in steps.
    pub(super) fn start(&mut self, request: Request) -> Result<Running, Refusal> {
        use Request as R;
        let user = &self.session.user;
        let reply = match request {
            R::List { path } => return Ok(pages::list(user, &path)?),
            R::Walk { path } => return Ok(pages::walk(user, &path)?),
            R::Find { path, pattern, limit } => return Ok(pages::find(user, &path, &pattern, limit)?),
            R::Stat { path } => stat::stat(user, &path)?,
            R::MakeDir { path, parents } => change::make_dir(user, &path, parents, &mut self.act)?,
            R::Rename { from, to, replace } => change::rename(user, &from, &to, replace)?,
            R::SetAttributes { path, mtime, mode } => change::set_attributes(user, &path, mtime, mode)?,
            R::Copy { from, to, replace } => {
                return Ok(copy::start(user, from, to, replace, std::mem::take(&mut self.act))?);
            }
            R::Remove { path, recursive, version } => {
                return Ok(remove::start(user, &path, recursive, version, std::mem::take(&mut self.act))?);
            }
            R::Hash { path, algorithm } => return Ok(hash::start(user, &path, algorithm)?),
            R::Usage => Reply::Usage(usage::now(user).map_err(Error::from)?),
            R::Uploads => return Ok(uploads::list(user, &self.context, self.features)),
            R::Discard { path } => uploads::discard(user, &path)?,
            R::ChangePassword { old, new } => password::change(&self.context, &self.session, &old, &new)?,
            R::Ping => Reply::Pong,
            R::Get { path, blocks } => {
                let download = download::start(user, &path, blocks, &mut self.out)?;
                self.wire.begin(Direction::Down, path, Some(download.size()));
                self.act.reached();
                return Ok(Running::Download(Box::new(download)));
            }
            R::Put(put) => {
                let (path, size) = (put.path.clone(), put.size);
                let upload = upload::start(user, &self.context, put)?;
                self.wire.begin(Direction::Up, path, size);
                usage::warn(&self.session, user.home.volume_free().unwrap_or_default(), &mut self.out);
                return Ok(Running::Upload(Box::new(upload)));
            }
            R::Register { .. } => return Err(refusal::unsupported("'register' on a logged-in connection")),
            R::Hello(_) | R::Login { .. } | R::Attach { .. } | R::Commit { .. } => {
                return Err(refusal::unsupported("this on a logged-in connection"));
            }
        };
        self.out.reply(&reply);
        Ok(Running::Nothing)
    }
}
