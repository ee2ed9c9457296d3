//! The dispatch of requests: every request is listed here.

use std::sync::Arc;

use ferry_shared::{
    message::{Reply, Request, request::Algorithm},
    refusal::Refusal,
};

use super::{Conversation, Running, download, pages, password, telling, upload, uploads, usage};
use crate::{
    audit::event::Event,
    bandwidth::Direction,
    files::{self, Copied, Error, Gone},
    refusal,
};

impl Conversation {
    /// Runs a request, or starts one that runs in steps.
    pub(super) fn start(&mut self, request: Request) -> Result<Running, Refusal> {
        use Request as R;
        let (user, files) = (&self.session.user, &self.files);
        let reply = match request {
            R::List { path } => {
                return Ok(telling::run(files.list(&path)?, |page, is_last, out| {
                    pages::send(page, is_last, out);
                    // Send the first page at once; do not keep it in the outbox until the second one.
                    out.finish();
                }));
            }
            R::Walk { path, digests } => {
                let walk = if digests { files.walk_with_digests(&path)? } else { files.walk(&path)? };
                return Ok(telling::run(walk, pages::send));
            }
            R::Find { path, pattern, limit } => {
                return Ok(telling::run(files.find(&path, &pattern, limit)?, pages::send));
            }
            R::Stat { path } => {
                let (entry, version) = files.stat(&path)?;
                Reply::Entry { entry, version }
            }
            R::MakeDir { path, parents } => done(files.make_dir(&path, parents))?,
            R::Touch { path } => done(files.touch(&path))?,
            R::Rename { from, to, replace } => done(files.rename(&from, &to, replace))?,
            R::SetAttributes { path, mtime, mode } => done(files.set_attributes(&path, mtime, mode))?,
            R::Copy { from, to, replace } => {
                let user = Arc::clone(user);
                return Ok(telling::answer(files.copy(from, to, replace)?, move |copied| match copied {
                    Copied::File(file) => upload::stored(file, usage::now(&user)),
                    Copied::Folder => Reply::Done,
                }));
            }
            R::Remove { path, recursive, version } => {
                return Ok(telling::answer(files.remove(path, recursive, version)?, |gone| {
                    let Gone { files, folders, bytes } = gone;
                    Reply::Removed { files, dirs: folders, bytes }
                }));
            }
            R::Hash { path, algorithm } => {
                let wanted = match algorithm {
                    Algorithm::Blake3 => files::Algorithm::Blake3,
                    Algorithm::Sha256 => files::Algorithm::Sha256,
                };
                return Ok(telling::answer(files.hash(&path, wanted)?, move |digest| Reply::Hashed {
                    algorithm,
                    digest,
                }));
            }
            R::Run { words } => return self.run_command(words),
            R::Usage => Reply::Usage(usage::now(user)),
            R::Uploads => return Ok(uploads::list(files, &self.context, self.features)),
            R::Discard { path } => done(files.discard(&path))?,
            R::ChangePassword { old, new } => {
                let reply = password::change(&self.context, &self.session, &old, &new)?;
                self.context.audit.record(self.connection.who(), Event::Password);
                reply
            }
            R::Ping => Reply::Pong,
            R::Get { path, blocks } => {
                let download = download::start(files, &path, blocks, &mut self.out)?;
                self.connection.begin(Direction::Down, path, Some(download.size()));
                return Ok(Running::Download(Box::new(download)));
            }
            R::Put(put) => {
                let (path, size) = (put.path.clone(), put.size);
                let upload = upload::start(files, put, self.features)?;
                self.connection.begin(Direction::Up, path, size);
                usage::warn(&self.session, usage::now(user), &mut self.out);
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

fn done(result: Result<(), Error>) -> Result<Reply, Error> {
    result.map(|()| Reply::Done)
}
