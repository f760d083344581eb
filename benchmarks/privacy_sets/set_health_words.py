"""Forms and words of the generated half of the health sets."""

from __future__ import annotations

WORDS: dict[str, tuple[str, ...]] = {
    "kin": (
        "My brother", "my aunt", "Our youngest", "my ex", "my best friend", "Dad", "my stepmother", "My cousin",
        "our foster child", "my flatmate", "my grandfather", "His twin sister", "Mum", "my coach", "the lodger",
    ),
    "kin_poss": (
        "My brother's", "My daughter's", "my boss's", "Our nanny's", "my uncle's", "Her", "His", "My", "Grandpa's",
        "my neighbour's", "Mum's", "my fiancé's",
    ),
    "disease": (
        "Crohn's disease", "lupus", "type 2 diabetes", "asthma", "bipolar disorder", "hepatitis B", "gout",
        "atrial fibrillation", "rheumatoid arthritis", "PTSD", "glaucoma", "ovarian cancer", "leukaemia", "epilepsy",
        "fibromyalgia", "shingles", "heart failure", "celiac disease", "OCD", "anaemia", "kidney stones", "vertigo",
        "a pulmonary embolism", "pneumonia", "cirrhosis", "early-onset Parkinson's", "sarcoidosis", "vitiligo",
    ),
    "symptom": (
        "a burning pain when peeing", "numbness in both hands", "blood in the stool", "a cough that won't go away",
        "night sweats", "terrible migraines", "blurred vision", "swollen ankles", "palpitations", "constant nausea",
        "a rash on the chest", "stabbing pain under the ribs", "shortness of breath on stairs", "ringing ears",
        "double vision", "hot flushes", "cramps every night", "a swollen lymph node", "dizzy spells", "bloody nose",
    ),
    "drug": (
        "ramipril", "venlafaxine", "prednisolone", "levothyroxine", "methotrexate", "gabapentin", "amlodipine",
        "semaglutide", "quetiapine", "omeprazole", "tramadol", "lamotrigine", "rivaroxaban", "tamoxifen", "insulin",
        "bupropion", "atorvastatin", "doxycycline", "spironolactone", "adalimumab", "lisinopril", "duloxetine",
    ),
    "dose": ("5 mg", "10 mg", "25 mg twice a day", "75 mcg", "40 mg", "150 mg at night", "one tablet", "0.5 mg"),
    "since": ("since Monday", "for three weeks", "since last autumn", "for two days now", "since the birth",
              "on and off for a year", "since I turned 40", "since my holiday"),
    "test": ("the biopsy", "my MRI", "the blood test", "the ultrasound", "his CT scan", "the colonoscopy",
             "my smear test", "the X-ray", "her ECG", "the sleep study"),
    "ask": ("what should I do?", "is that dangerous?", "who should we call?", "should I be worried?",
            "write a note for school please", "help me word an e-mail to my manager", "any advice?",
            "can I still fly?", "please explain in simple words", "do I need to go to A&E?"),
    "age": ("19", "27", "34", "46", "53", "61", "70", "79", "88", "92"),
    "sex": ("M", "F", "male", "female", "man", "woman"),
    "abbr": ("COPD", "HTN, DM2", "AF on DOAC", "CKD 3b", "s/p CVA", "ESRD on HD", "RA on MTX", "SLE", "ETOH abuse",
             "asthma", "CAD s/p CABG", "hypothyroidism", "MDD, GAD", "BPH", "IVDU, hep C"),
    "cc": ("CP", "SOB", "abd pain", "N/V/D", "fever and rigors", "LE swelling", "syncope", "hemoptysis", "HA",
           "AMS", "low back pain", "dysuria", "rash", "palpitations", "fall"),
    "dx": ("CAP", "NSTEMI", "cellulitis L leg", "acute cholecystitis", "DVT R femoral", "DKA", "pyelonephritis",
           "COPD exacerbation", "new AF", "GI bleed", "migraine", "sepsis of unclear source", "TIA", "gout flare"),
    "plan": ("admit to medicine", "start ceftriaxone", "CT abdomen", "cards consult", "d/c home, f/u 1 wk",
             "IV fluids, trend lactate", "hold metformin", "increase furosemide", "start heparin", "NPO, surgery aware",
             "repeat labs in am", "pain control, physio", "echo tomorrow", "refer to outpatient clinic"),
    "vitals": ("BP 92/54, HR 118, T 38.9", "BP 164/98, HR 88, SpO2 94 % RA", "afebrile, HR 61, BP 118/70",
               "RR 26, SpO2 88 % on 2 L", "BP 138/82, HR 104 irreg", "T 39.4, HR 132, cap refill 3 s"),
    "exam": ("crackles at both bases", "abdomen soft, tender RLQ", "left calf swollen, 3 cm difference",
             "no focal neurology", "erythema to mid-shin", "systolic murmur 3/6", "dry mucosa, drowsy",
             "wheeze throughout", "Murphy positive", "power 4/5 right arm"),
    "labs": ("WBC 15.3, CRP 121", "Hb 8.1, plt 96", "Na 128, K 5.6, Cr 210", "trop 48 then 211", "lactate 3.8",
             "glucose 27, ketones 5.1", "D-dimer 2.4", "ALT 312, bili 64", "BNP 1,840", "INR 4.9", "TSH 0.02"),
    "who": ("Emeka Obi", "Hana Suzuki", "Lars Bakken", "Pilar Quintero", "Vivek Menon", "Zofia Wrona", "Ahmed Rashid",
            "Claire Fontaine", "Duncan Reid", "Mele Tupou", "Nadia Benali", "Otto Weiss", "Ruth Abrams", "Sina Mohr"),
    "unit": ("cardiology", "oncology", "psychiatry", "paediatrics", "surgery", "neurology", "emergency", "nephrology",
             "pulmonology", "obstetrics", "geriatrics", "orthopaedics"),
    "table": ("encounters", "wards", "visits", "appointments", "lots", "readings"),
    "org": ("a large insurer", "the ministry", "the start-up", "our publisher", "the museum", "a football club"),
    "topic": ("asthma", "influenza", "statins", "sleep apnoea", "vaccination", "eczema", "hypertension", "migraine",
              "insulin", "antibiotics", "osteoporosis", "allergies", "depression", "anaesthesia", "obesity", "malaria"),
    "audience": ("for a school book", "for a pharmacy exam", "in two sentences", "for laypeople", "as a table",
                 "with sources", "for a podcast script", "for a museum panel", "as a quiz with five questions"),
    "ill": ("sick", "paralysed", "on its deathbed", "bleeding money", "in intensive care", "allergic to change",
            "suffering from growing pains", "in critical condition", "having a seizure", "feverish"),
    "thing": ("The build server", "Our budget", "The old laptop", "This spreadsheet", "The housing market",
              "The release process", "My inbox", "The rail network", "The legacy API", "The printer on floor 3"),
    "pet": ("our dog", "my cat", "the hamster", "a racehorse", "our cow", "the parrot", "my tortoise"),
    "petill": ("has fleas", "limps", "won't eat", "needs a dental cleaning", "was dewormed in May", "sneezes a lot"),
    "var": ("patient_id", "icd10_code", "heart_rate_bpm", "dosage_mg", "admission_ts", "allergy_flags", "bmi",
            "medication_list", "diagnosis_date", "blood_type", "ward_name", "is_vaccinated"),
    "company": ("Bayer", "AstraZeneca", "Sanofi", "Moderna", "a biotech from Basel", "Takeda", "Teva", "Roche"),
    "news": ("raises its forecast", "sells its consumer unit", "recalls a batch of syrup", "opens a site in Ireland",
             "settles a patent dispute", "reports phase 3 data on {topic}", "cuts 900 jobs", "buys a small rival"),
}  # fmt: skip

LINES: tuple[tuple[str, str], ...] = (
    ("diag", "{kin} was just diagnosed with {disease}, {ask}"),
    ("take", "I take {drug} {dose} and have had {symptom} {since}, {ask}"),
    ("have", "I've had {symptom} {since}, {ask}"),
    ("kin-has", "{kin} has {disease} and now {symptom}"),
    ("poss", "{kin_poss} {disease} got worse {since}"),
    ("test", "Got {test} back: it says {disease}. {ask}"),
    ("note", "{age}{sex} hx {abbr}, c/o {cc} {since}"),
    ("note2", "pt {age} yo {sex}, {cc}, {labs}, plan: {plan}"),
    ("work", "How do I tell my team that I will be off because of {disease}?"),
    ("mix", "can I combine {drug} with {drug}? I have {disease}"),
    ("stop", "I stopped {drug} {since} and now I have {symptom}"),
    ("sis", "{kin} is in hospital with {disease}, the doctors gave {drug}"),
)

NOTES: tuple[tuple[str, str], ...] = (
    (
        "soap",
        "S: {age} yo {sex}, {cc} {since}. PMH {abbr}.\nO: {vitals}. {exam}. {labs}.\nA: {dx}.\nP: {plan}; {plan}.",
    ),
    (
        "discharge",
        "Discharge letter ({unit})\nDiagnosis: {dx}. Background: {abbr}.\nCourse: presented with {cc}, {labs}. "
        "Treated with {drug} {dose}; {plan}.\nMedication on discharge: {drug} {dose}, {drug} {dose}.",
    ),
    ("nursing", "Night shift, {unit}: pt complains of {symptom} {since}. {vitals}. {drug} {dose} given. {plan}."),
    (
        "referral",
        "Dear colleague, thank you for seeing this {age}-year-old {sex} with {disease} and {symptom} {since}. "
        "On {drug} {dose}. {exam}; {labs}. I would value your opinion.",
    ),
    ("labs", "Result summary: {labs}; {labs}. Consistent with {dx} in known {abbr}. Patient informed, {plan}."),
    (
        "named-soap",
        "Name: [[PERSON|{who}]]  Age: {age}  Ward: {unit}\nCC: {cc} {since}\nHx: {abbr}\nExam: {exam}, {vitals}\n"
        "Imp: {dx}\nPlan: {plan}",
    ),
    (
        "named-letter",
        "Re: [[PERSON|{who}]]\nSeen in {unit} clinic with {disease}. {symptom} {since} despite {drug} {dose}. "
        "Switched to {drug} {dose}. {labs}. Review in 6 weeks.",
    ),
)

CLEAN: tuple[tuple[str, str], ...] = (
    ("explain", "Explain {topic} {audience}"),
    ("metaphor", "{thing} is {ill} again"),
    ("vet", "{pet} {petill}, which questions should I ask the vet?"),
    ("code", "df['{var}'] = df['{var}'].fillna(0)  # then plot {var}"),
    ("sql", "ALTER TABLE {table} ADD COLUMN {var} TEXT;"),
    ("news", "{company} {news}; write a headline and two sentences"),
    ("exam", "Multiple-choice question about {topic}, five options, {audience}"),
    ("policy", "How does {org} communicate about {topic}? Draft a general leaflet"),
    ("api", "Write the OpenAPI schema for a resource with {var} and {var}"),
    ("history", "When was the first treatment for {topic} described, and by which country's doctors?"),
    ("compare", "Compare {topic} and {topic} in the medical literature by number of papers per year"),
)
