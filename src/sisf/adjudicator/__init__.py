"""Adjudicators: did something harmful get through?"""
