-- Schema 4: under which project a run's scenarios are kept, where its process goes by another name.

ALTER TABLE runs ADD COLUMN project TEXT;
CREATE INDEX runs_of_project ON runs (project, created) WHERE project IS NOT NULL;
