"""The job queue in Redis: ids, the connection, the scripts, and what functions do with a job."""
