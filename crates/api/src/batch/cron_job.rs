//! Jobs on a schedule.

use crate::batch::job::JobTemplateSpec;
use crate::core::reference::ObjectReference;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// Jobs made by a schedule.
    pub struct CronJob {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: CronJobSpec = "spec", 2, [omitempty, required];
        status: CronJobStatus = "status", 3, [omitempty];
    }

    /// When jobs are made and what they run.
    pub struct CronJobSpec {
        schedule: String = "schedule", 1, [];
        time_zone: Option<String> = "timeZone", 8, [omitempty];
        starting_deadline_seconds: Option<i64> = "startingDeadlineSeconds", 2, [omitempty];
        concurrency_policy: String = "concurrencyPolicy", 3, [omitempty, go("v1.ConcurrencyPolicy")];
        suspend: Option<bool> = "suspend", 4, [omitempty];
        job_template: JobTemplateSpec = "jobTemplate", 5, [];
        successful_jobs_history_limit: Option<i32> = "successfulJobsHistoryLimit", 6, [omitempty];
        failed_jobs_history_limit: Option<i32> = "failedJobsHistoryLimit", 7, [omitempty];
    }

    /// Which jobs run and when the last was made.
    pub struct CronJobStatus {
        active: Vec<ObjectReference> = "active", 1, [omitempty, list_atomic];
        last_schedule_time: Option<Time> = "lastScheduleTime", 4, [omitempty];
        last_successful_time: Option<Time> = "lastSuccessfulTime", 5, [omitempty];
    }
}
