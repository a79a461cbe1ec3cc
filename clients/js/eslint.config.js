import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/", "**/node_modules/", "**/*.gen.ts"] },
  {
    files: ["packages/*/src/**/*.ts", "packages/*/test/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "error",
      // An index that was just checked.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Properties are deleted from storage, whose keys are data.
      "@typescript-eslint/no-dynamic-delete": "off",
      // An index signature says that a key may be missing; dot notation would hide it.
      "@typescript-eslint/dot-notation": "off",
    },
  },
);
