"""Growing trees side by side: this project's engine, LightGBM, XGBoost, on the same rows."""
