"""The entry of the pages: `streamlit run ui/web/app.py`, which is what `phoropter ui` does."""

import streamlit as st

from ui.web.lineage import page

st.set_page_config(page_title="Phoropter", page_icon="◉", layout="wide", initial_sidebar_state=256)
page()
