"""The configuration: `app.toml`, parsed once into one frozen object.

The same object can be built in Python; sections may be given as mappings or as objects:

>>> config = Config(task="regression", labels={"ttl": 5_000})
>>> config.learner.class_
'river.tree.HoeffdingTreeRegressor'
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

import learners  # noqa: F401  # before anything of River: see learners.quick
from stream.app.config_checks import contradictions
from stream.app.config_digest import digest
from stream.app.config_errors import explain
from stream.app.config_sections import (
    CheckpointsConfig,
    ContractConfig,
    DetectorConfig,
    DriftConfig,
    FilesConfig,
    InputConfig,
    LabelsConfig,
    LearnerConfig,
    LimitsConfig,
    ResponseConfig,
    ScoringConfig,
    Section,
    Text,
)
from stream.app.config_service import KafkaConfig, TelemetryConfig
from stream.app.config_training import TrainingConfig
from stream.app.durations import Duration
from stream.app.toml_file import read_toml
from stream.core.errors import ConfigError
from stream.core.records import Kind, Task
from stream.core.settings import Settings


def _default_learner(validated: dict[str, Any]) -> LearnerConfig:
    kind = "Regressor" if validated.get("task") == "regression" else "Classifier"
    return LearnerConfig(class_=f"river.tree.HoeffdingTree{kind}")


class Config(Section):
    """Everything that can be configured; every section has defaults.

    Raises
    ------
    ConfigError
        With one line for each mistake, which names the key, the value and what is accepted.
    """

    name: Annotated[Text, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "app"
    task: Task = "binary"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    input: InputConfig = Field(default_factory=InputConfig)
    learner: LearnerConfig = Field(default_factory=_default_learner)
    detectors: Annotated[tuple[DetectorConfig, ...], Field(strict=False)] = ()
    drift: DriftConfig = Field(default_factory=DriftConfig)
    contract: ContractConfig = Field(default_factory=ContractConfig)
    labels: LabelsConfig = Field(default_factory=LabelsConfig)
    scoring: ScoringConfig = Field(default_factory=ScoringConfig)
    checkpoints: CheckpointsConfig = Field(default_factory=CheckpointsConfig)
    response: ResponseConfig = Field(default_factory=ResponseConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    files: FilesConfig = Field(default_factory=FilesConfig)
    kafka: KafkaConfig = Field(default_factory=KafkaConfig)
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig)

    @model_validator(mode="after")
    def _resolve_ttl(self) -> Self:
        if self.input.time is None and "ttl" not in self.labels.model_fields_set:
            ttl = Duration(self.labels.max_pending)
            labels = self.labels.model_copy(update={"ttl": ttl})
            object.__setattr__(self, "labels", labels)  # frozen for everybody else
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if found := contradictions(self):
            raise ValueError("\n".join(found))
        return self

    @model_validator(mode="wrap")  # last, so that it sees the mistakes found by the one above
    @classmethod
    def _in_our_words(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            source = (info.context or {}).get("source", "configuration")
            raise ConfigError(explain(error, cls, source)) from error

    @property
    def digest(self) -> str:
        """SHA-256 of every resolved value that changes the fold, as hex."""
        return digest(self.model_dump(by_alias=True))

    @property
    def types(self) -> dict[str, Kind]:
        """The kinds of fields that are declared, or follow from what is declared of them."""
        declared = {name: each.kind() for name, each in self.contract.fields.items()}
        return {name: kind for name, kind in declared.items() if kind} | dict(self.input.types)

    def to_dict(self) -> dict[str, Any]:
        """Give the resolved configuration as the tables of a file, defaults included."""
        tables = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        if self.input.time is None:
            del tables["input"]["time_slack"]
        return tables

    def settings(self) -> Settings:
        """Give the fold its share, as plain values."""
        fields, contract, labels = self.input, self.contract, self.labels
        return Settings(
            name=self.name,
            task=self.task,
            id_field=fields.id,
            time_field=fields.time,
            label_field=fields.label,
            label_time_field=fields.label_time,
            ignore=fields.ignore,
            types=self.types,
            missing=fields.missing,
            positive=fields.positive,
            max_record=fields.max_record,
            slack=float(fields.time_slack),
            **contract.model_dump(exclude={"fields"}),
            rules={name: each.rule() for name, each in contract.fields.items()},
            **labels.model_dump(),
            **self.scoring.model_dump(),
            actions=self.response.actions(),
            cooldown=self.response.cooldown,
            false_alarms_per_100k=self.drift.false_alarms_per_100k,
            fixed_reference=self.drift.reference == "fixed",
            training=self.training.plain(),
        )


def parse_config(data: Mapping[str, Any], source: str = "configuration") -> Config:
    """Build a configuration from the tables of a file.

    Parameters
    ----------
    data
        As `tomllib` gives them.
    source
        What messages call it.

    Raises
    ------
    ConfigError
        With one line for each mistake.
    """
    return Config.model_validate(dict(data), context={"source": source})


def load_config(path: str | Path) -> Config:
    """Read a configuration file.

    Raises
    ------
    ConfigError
        When the file cannot be read, is no TOML, or holds a mistake.
    """
    return parse_config(read_toml(Path(path)), str(path))
