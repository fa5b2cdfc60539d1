"""What is read back from disk, and who changes and checks it."""

# Name -> the module that makes files of it, and the class in it that changes and reads them.
FORMATS = {
    "parquet": ("tests.fuzz.parquet", "Parquet"),
    "model": ("tests.fuzz.sealed", "Directory"),
    "forest": ("tests.fuzz.sealed", "ArraysFile"),
    "epoch cache": ("tests.fuzz.sealed", "EpochCache"),
    "checkpoint": ("tests.fuzz.sealed", "LinearCheckpoint"),
    "boosting checkpoint": ("tests.fuzz.sealed", "BoostingCheckpoint"),
    "manifest": ("tests.fuzz.documents", "DatasetManifest"),
    "results": ("tests.fuzz.documents", "Results"),
    "binned cache": ("tests.fuzz.documents", "Binned"),
    "lightgbm text": ("tests.fuzz.forests", "LightgbmText"),
    "xgboost json": ("tests.fuzz.foreign", "Foreign"),
    "xgboost ubjson": ("tests.fuzz.foreign", "XgboostBinary"),
    "catboost json": ("tests.fuzz.foreign", "Catboost"),
    "registry": ("tests.fuzz.living", "Versions"),
    "profile": ("tests.fuzz.living", "Profiled"),
    "online store": ("tests.fuzz.living", "Online"),
    "join record": ("tests.fuzz.living", "Joined"),
    "tensors": ("tests.fuzz.living", "Tensors"),
    "scoring record": ("tests.fuzz.jobs", "ScoringRecord"),
    "journal": ("tests.fuzz.jobs", "JournalFile"),
    "spilled rows": ("tests.fuzz.jobs", "Spill"),
    "feature definitions": ("tests.fuzz.jobs", "Definitions"),
    "request": ("tests.fuzz.jobs", "Request"),
}
