//! One round of a sync: plans, asks if necessary, backs up, copies, and removes.

use ferry_client::{
    ClientError,
    sync::{Deletion, Plan, Select, Sync, SyncError},
    transfer::JobOptions,
};
use ferry_shared::entry::Kind;

use super::{Order, confirm, show};
use crate::{
    cli::transfer::{Transfers, Way},
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human,
    interrupt::{Signal, Signals},
};

/// A round with everything that is needed to carry it out.
pub(in crate::cli) struct Round<'a> {
    order: &'a Order,
    context: &'a mut Context,
    signals: &'a mut Signals,
    transfers: Transfers,
    sync: Sync,
    options: JobOptions,
}

impl<'a> Round<'a> {
    /// Starts a round.
    ///
    /// # Errors
    /// [`Failure`] if the two folders, or the folder for backups, contain each other.
    pub(in crate::cli) fn start(
        order: &'a Order,
        context: &'a mut Context,
        signals: &'a mut Signals,
    ) -> Result<Self, Failure> {
        let transfers = Transfers::start(context, &order.servers, Way::Sync)?;
        let patience = context.global.patience.of_transfer();
        let sync = Sync::new(order.ends.clone(), order.options, transfers.surroundings(), patience)?;
        if let Some(backup) = &order.backup {
            sync.check_backup(backup)?;
        }
        let options = JobOptions {
            resume: !context.global.engine.no_resume,
            verify: context.global.engine.verify,
            ..JobOptions::default()
        };
        Ok(Self { order, context, signals, transfers, sync, options })
    }

    /// Plans and carries the plan out, or shows it in a dry run.
    ///
    /// # Errors
    /// [`Failure`] if the sync as a whole fails; failures of paths are reported.
    pub(in crate::cli) async fn once(&mut self, select: &mut Select) -> Result<(), Failure> {
        let Some(plan) = self.plan(select).await? else { return Ok(()) };
        match self.context.global.dry_run {
            true => self.show(&plan),
            false => self.carry_out(&plan).await,
        }
    }

    /// Plans, and reports what cannot be made equal; `None` if a signal stopped it.
    ///
    /// # Errors
    /// [`Failure`] if nothing can be planned.
    pub(in crate::cli) async fn plan(&mut self, select: &mut Select) -> Result<Option<Plan>, Failure> {
        let planned = tokio::select! {
            plan = self.sync.plan(select) => plan,
            signal = self.signals.next() => {
                self.transfers.stop(signal);
                return Ok(None);
            }
        };
        let plan = planned.map_err(failed)?;
        for problem in &plan.problems {
            show::problem(problem, self.context)?;
            self.transfers.report.problem(Exit::Partial);
        }
        self.transfers.report.unchanged(plan.unchanged);
        Ok(Some(plan))
    }

    /// Asks if necessary, and carries a plan out: backs up, copies, and only if all of that succeeded, removes.
    ///
    /// # Errors
    /// [`Failure`] if the sync as a whole fails; failures of paths are reported.
    pub(in crate::cli) async fn carry_out(&mut self, plan: &Plan) -> Result<(), Failure> {
        if let Some(doubt) = plan.doubt(self.order.max_delete) {
            let target = self.order.ends.target.to_string();
            tokio::select! {
                confirmed = confirm::confirm(doubt, &target) => confirmed?,
                signal = self.signals.next() => {
                    self.transfers.stop(signal);
                    return Ok(());
                }
            }
        }
        if let Some(backup) = self.order.backup.as_ref().filter(|_| plan.takes_away()) {
            let job = self.sync.backup_job(plan, backup, self.options.clone());
            self.transfers.run(self.context, self.signals, job).await?;
            if self.transfers.is_stopped() || !self.transfers.report.is_whole() {
                self.context.output.warn("ferry: nothing was replaced, because not everything was backed up");
                return Ok(());
            }
        }
        if !plan.copies.is_empty() {
            let job = self.sync.job(&plan.copies, self.options.clone());
            self.transfers.run(self.context, self.signals, job).await?;
        }
        if plan.deletions.is_empty() || self.transfers.is_stopped() {
            return Ok(());
        }
        if !self.transfers.report.is_whole() {
            let entries = human::count(plan.deletions.len() as u64, "entry", "entries");
            let text = format!("ferry: nothing was removed ({entries}), because not everything was copied");
            self.context.output.warn(&text);
            return Ok(());
        }
        self.delete(&plan.deletions).await?;
        if !self.transfers.is_stopped() && !plan.blocked.is_empty() {
            let job = self.sync.blocked_job(&plan.blocked, self.options.clone());
            self.transfers.run(self.context, self.signals, job).await?;
        }
        Ok(())
    }

    async fn delete(&mut self, deletions: &[Deletion]) -> Result<(), Failure> {
        let Self { context, signals, transfers, sync, .. } = self;
        let mut done: Vec<(&Deletion, Result<(), ClientError>)> = Vec::with_capacity(deletions.len());
        let ended = {
            let paths: std::collections::BTreeMap<_, _> =
                deletions.iter().map(|deletion| (&deletion.path, deletion)).collect();
            let note = |deletion: &Deletion, result| done.extend(paths.get(&deletion.path).map(|at| (*at, result)));
            tokio::select! {
                ended = sync.delete(deletions, note) => Ok(ended),
                signal = signals.next() => Err(signal),
            }
        };
        for (deletion, result) in done {
            match result {
                Ok(()) => {
                    transfers.report.deleted();
                    show::deleted(deletion, context)?;
                }
                Err(error) => {
                    transfers.report.problem(Exit::Partial);
                    show::failed(&deletion.path, &error, context)?;
                }
            }
        }
        match ended {
            Ok(ended) => ended?,
            Err(signal) => transfers.stop(signal),
        }
        Ok(())
    }

    /// Shows a plan instead of carrying it out.
    fn show(&mut self, plan: &Plan) -> Result<(), Failure> {
        for (path, copy) in plan.copies.iter().chain(&plan.blocked) {
            show::would_copy(path, copy, self.context)?;
            match copy.entry.kind {
                Kind::Folder => self.transfers.report.would_make(),
                _ => self.transfers.report.would_copy(copy.entry.size),
            }
        }
        for deletion in &plan.deletions {
            show::would_delete(deletion, self.context)?;
            self.transfers.report.deleted();
        }
        if let Some(doubt) = plan.doubt(self.order.max_delete) {
            let text = confirm::text(doubt, &self.order.ends.target.to_string());
            self.context.output.say(&format!("{text}, so the sync would ask first"));
        }
        Ok(())
    }

    /// The signal that stopped the round.
    pub(in crate::cli) fn stopped(&self) -> Option<Signal> {
        self.transfers.stopped()
    }

    /// Ends the round like [`end`](Self::end), but says nothing if nothing was done.
    ///
    /// # Errors
    /// The failure.
    pub(in crate::cli) async fn end_quietly(self, result: Result<(), Failure>) -> Result<Exit, Failure> {
        match self.transfers.report.idle().filter(|_| result.is_ok()) {
            Some(exit) => {
                self.transfers.shutdown().await;
                Ok(exit)
            }
            None => self.end(result).await,
        }
    }

    /// Ends the round, and reports its result unless it failed as a whole.
    ///
    /// # Errors
    /// The failure.
    pub(in crate::cli) async fn end(self, result: Result<(), Failure>) -> Result<Exit, Failure> {
        match result {
            Ok(()) => self.transfers.finish(self.context).await,
            Err(failure) => {
                self.transfers.shutdown().await;
                Err(failure)
            }
        }
    }
}

fn failed(error: SyncError) -> Failure {
    match error {
        SyncError::End(error) => Failure::End { looking: Looking::Folder, error: Box::new(error) },
        SyncError::Pattern(error) => Failure::Pattern(error.to_string()),
    }
}
